/** Helping threads in browsers: Workers, made from a Blob so that no bundler or server has to know of their script. */
import type { Thread } from "./thread.ts";
import type { ThreadMessage } from "./threadBody.ts";
import { threadBody } from "./threadBody.ts";

/** A page's scripts are bundled: there is no module of the backend's own. */
export const backendModule = (): string | undefined => undefined;

/** Whether threads may share a memory: only on pages that COOP and COEP headers isolate from other origins. */
export const canShareMemory = (): boolean => globalThis.crossOriginIsolated;

/** @param onLost called if the thread cannot start or fails; the browser's console says why */
export function startThread(onLost: () => void): Thread {
  // Compilers that name functions call `__name`.
  const script = `
    const __name = (value) => value;
    (${threadBody.toString()})((handle) => { onmessage = ({ data }) => handle(data); });`;
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const worker = new Worker(url, { name: "weft wasm" });
  worker.onerror = onLost;
  return {
    post: (message: ThreadMessage) => worker.postMessage(message),
    stop: () => {
      worker.terminate();
      URL.revokeObjectURL(url);
    },
  };
}
