/** The parts of a browser's Worker that jax-js uses for its threads, made of Node's; it looks for them as it is loaded. */
import { resolveObjectURL } from "node:buffer";
import { Worker as Thread } from "node:worker_threads";

const prelude = `
const { parentPort } = require("node:worker_threads");
globalThis.self = globalThis;
globalThis.postMessage = (message) => parentPort.postMessage(message);
parentPort.on("message", (data) => self.onmessage({ data }));
`;

/** Starts when the script behind its blob is read; messages wait until then. */
class LentWorker {
  onmessage: ((event: { readonly data: unknown }) => void) | undefined;
  onerror: ((error: Error) => void) | undefined;
  readonly #thread: Promise<Thread>;

  constructor(url: string) {
    this.#thread = this.#start(resolveObjectURL(url));
  }

  postMessage(message: unknown): void {
    void this.#thread.then((thread) => thread.postMessage(message));
  }

  async #start(script: Awaited<ReturnType<typeof resolveObjectURL>>): Promise<Thread> {
    if (!script) throw new Error("jax-js starts its workers from blobs");
    const thread = new Thread(prelude + (await script.text()), { eval: true });
    thread.on("message", (data) => this.onmessage?.({ data }));
    thread.on("error", (error: Error) => this.onerror?.(error));
    return thread;
  }
}

export function lendWorker(): void {
  Object.assign(globalThis, { Worker: LentWorker });
}
