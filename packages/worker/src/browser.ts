/** The worker in a browser: the page calls `join`, training runs in a Worker made from `browserWorker.ts`. */
import type { WorkerEvent, WorkerOutcome } from "./events.ts";

export type { WorkerEvent, WorkerOutcome } from "./events.ts";
export { startWorker } from "./worker.ts";
export { defaultPolicy } from "./job.ts";

export interface JoinOptions {
  /** Script of the training thread: `browserWorker.ts`, bundled. */
  readonly workerUrl: string | URL;
  readonly token?: string;
  readonly name?: string;
}

/** From the page to its training thread. */
export type ThreadCommand =
  | { readonly command: "start"; readonly url: string; readonly name: string; readonly token?: string }
  | { readonly command: "stop"; readonly reason: string };

export interface JoinSession {
  /** Calls back on every event of the worker; returns a function that ends this. */
  on(listener: (event: WorkerEvent) => void): () => void;
  /** Leaves the run; `outcome` resolves soon after. */
  leave(reason?: string): void;
  readonly outcome: Promise<WorkerOutcome>;
}

/**
 * Takes part in a run from this page. Everything heavy happens in a Worker, so the page stays responsive.
 *
 * @param url address of the coordinator, ws:// or wss://
 */
export function join(url: string, options: JoinOptions): JoinSession {
  const thread = new Worker(options.workerUrl, { type: "module" });
  const listeners = new Set<(event: WorkerEvent) => void>();
  const ended = Promise.withResolvers<WorkerOutcome>();
  const post = (command: ThreadCommand) => thread.postMessage(command);

  thread.onmessage = ({ data }: MessageEvent<WorkerEvent>) => {
    for (const listener of listeners) listener(data);
    if (data.event !== "ended") return;
    ended.resolve(data.outcome);
    thread.terminate();
  };
  thread.onerror = ({ message }) => {
    ended.resolve({ kind: "refused", code: "thread-failed", reason: message || "the training thread could not start" });
  };
  post({
    command: "start",
    url,
    name: options.name ?? "browser",
    ...(options.token === undefined ? {} : { token: options.token }),
  });
  return {
    outcome: ended.promise,
    on(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    leave: (reason = "the page left") => post({ command: "stop", reason }),
  };
}
