/** Helping threads in Node: `worker_threads`, which never keep the process alive. */
import { openBlas } from "../native/openBlas.ts";
import { bindProducts } from "../native/products.ts";
import type { Thread } from "./thread.ts";
import { threadBody } from "./threadBody.ts";

/** Where a program's own threads import the backend from: its sources or what they were compiled to, as here. */
export const backendModule = (): string | undefined =>
  new URL(`../backend${import.meta.url.slice(import.meta.url.lastIndexOf("."))}`, import.meta.url).href;

/** Whether threads may share a memory. */
export const canShareMemory = (): boolean => true;

/** @param onLost called if the thread ends by a failure, after a warning */
export function startThread(onLost: () => void): Thread {
  // Compilers that name functions call `__name`.
  const script = `
    const __name = (value) => value;
    const { parentPort } = process.getBuiltinModule("node:worker_threads");
    const { createRequire } = process.getBuiltinModule("node:module");
    const openNative = ({ koffi, library }, memory) => {
      const blas = (${openBlas.toString()})(createRequire(koffi)(koffi), library);
      return (kernel) => (${bindProducts.toString()})(kernel, memory, blas);
    };
    (${threadBody.toString()})((handle) => parentPort.on("message", handle), openNative);`;
  // Loaded here, since that takes longer than much of the engine, and programs of one thread need it not.
  const { Worker } = process.getBuiltinModule("node:worker_threads");
  const worker = new Worker(script, { eval: true, execArgv: [] });
  worker.on("error", (error: Error) => {
    process.emitWarning(`a thread of the wasm backend ended (${error.message}); the others do its work`);
    onLost();
  });
  worker.unref();
  return { post: (message) => worker.postMessage(message), stop: () => void worker.terminate() };
}
