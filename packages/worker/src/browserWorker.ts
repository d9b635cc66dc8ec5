/** Entry of the training thread in a browser: the same worker as in Node, on the WASM backend, reporting to its page. */
import { setBackend } from "@weft/tensor";
import { connectWebSocket } from "@weft/transport";
import { createWasmBackend } from "@weft/wasm";
import type { ThreadCommand } from "./browser.ts";
import { defaultPolicy } from "./job.ts";
import type { WorkerHandle } from "./worker.ts";
import { startWorker } from "./worker.ts";

let worker: WorkerHandle | undefined;

globalThis.onmessage = ({ data }: MessageEvent<ThreadCommand>) => {
  if (data.command === "stop") {
    worker?.stop(data.reason);
    return;
  }
  const backend = createWasmBackend({ threads: "auto" });
  setBackend(backend);
  worker = startWorker({
    connect: () => connectWebSocket(data.url, { accepts: "coordinator" }),
    name: data.name,
    device: "browser cpu (wasm)",
    threads: backend.threads,
    policy: defaultPolicy,
    ...(data.token === undefined ? {} : { token: data.token }),
    onEvent: (event) => globalThis.postMessage(event),
  });
};
