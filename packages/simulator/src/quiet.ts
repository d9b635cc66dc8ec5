/** Waits until this process has nothing left to do but wait for virtual time: no microtask, file operation or immediate. */

/** What real work under way looks like to Node; timers and sockets are none of the simulation's. */
const underway: ReadonlySet<string> = new Set(["FSReqPromise", "FSReqCallback", "CloseReq", "Immediate"]);

export async function untilQuiet(): Promise<void> {
  do await turn();
  while (process.getActiveResourcesInfo().some((resource) => underway.has(resource)));
}

/** One turn of the event loop, after every microtask. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
