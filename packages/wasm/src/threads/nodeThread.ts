/** Helping threads in Node: `worker_threads`, which never keep the process alive. */
import { Worker } from "node:worker_threads";
import type { Thread } from "./thread.ts";
import { threadBody } from "./threadBody.ts";

/** Whether threads may share a memory. */
export const canShareMemory = (): boolean => true;

/** @param onLost called if the thread ends by a failure, after a warning */
export function startThread(onLost: () => void): Thread {
  // Compilers that name functions call `__name`.
  const script = `
    const __name = (value) => value;
    const { parentPort } = process.getBuiltinModule("node:worker_threads");
    (${threadBody.toString()})((handle) => parentPort.on("message", handle));`;
  const worker = new Worker(script, { eval: true, execArgv: [] });
  worker.on("error", (error: Error) => {
    process.emitWarning(`a thread of the wasm backend ended (${error.message}); the others do its work`);
    onLost();
  });
  worker.unref();
  return { post: (message) => worker.postMessage(message), stop: () => void worker.terminate() };
}
