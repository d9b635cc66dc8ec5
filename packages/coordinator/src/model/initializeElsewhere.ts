/** Runs a job's initialisation program on a thread of its own: large models take seconds, in which others want the event loop. */
import type { Worker } from "node:worker_threads";
import {
  BackendError,
  type BackendRecipe,
  DonatedError,
  DTypeError,
  ProgramError,
  ShapeError,
  TraceError,
} from "@weft/tensor";
import { startThread } from "@weft/transport";
import { CoordinatorOptionsError } from "../errors.ts";
import type { Initialization, Initializer } from "./initializer.ts";
import type { FromThread, ThreadStart, ToThread } from "./initializerMessages.ts";

/** What the thread may throw on purpose; errors that come from it have lost their class. */
const classes = {
  ...{ BackendError, DonatedError, DTypeError, ProgramError, ShapeError, TraceError },
  CoordinatorOptionsError,
};

/** There is no such thread: its modules were not found, or there is not enough memory for it. */
export class NoThread extends Error {}

/**
 * @throws {CoordinatorOptionsError} when the program is damaged
 * @throws {NoThread} when the thread could not begin
 */
export async function initializeElsewhere(
  initialization: Initialization,
  recipe: BackendRecipe,
  signal?: AbortSignal,
): Promise<Initializer> {
  signal?.throwIfAborted();
  const workerData: ThreadStart = { ...initialization, recipe };
  const thread = new AskedThread(startThread(import.meta.url, "initializerThread", { workerData }), signal);
  try {
    const { count } = await thread.next("ready");
    return {
      count,
      async make(places) {
        thread.tell(places);
        return (await thread.next("made")).values;
      },
      close: () => thread.close(),
    };
  } catch (error) {
    await thread.close();
    throw error;
  }
}

/** A thread that answers one question at a time. */
class AskedThread {
  readonly #worker: Worker;
  readonly #signal: AbortSignal | undefined;
  #answer = Promise.withResolvers<FromThread>();
  #hasBegun = false;

  constructor(worker: Worker, signal: AbortSignal | undefined) {
    this.#worker = worker;
    this.#signal = signal;
    this.#listen();
    worker.on("message", (message: FromThread) => {
      if (message.kind === "begun") this.#hasBegun = true;
      else if (message.kind === "failed") this.#answer.reject(revived(message));
      else this.#answer.resolve(message);
    });
    worker.on("error", this.#fail);
    worker.on("exit", (code) => {
      this.#fail(new Error(`a thread for initial weights ended with code ${code}`));
    });
    signal?.addEventListener("abort", this.#abort, { once: true });
  }

  /** The answer to what it was told last. */
  async next<Kind extends FromThread["kind"]>(kind: Kind): Promise<Extract<FromThread, { readonly kind: Kind }>> {
    const message = await this.#answer.promise;
    if (message.kind !== kind) throw new Error(`a thread for initial weights said ${message.kind} instead of ${kind}`);
    this.#listen();
    return message as Extract<FromThread, { readonly kind: Kind }>;
  }

  tell(message: ToThread): void {
    this.#worker.postMessage(message);
  }

  /** Resolves when the thread has ended and its memory is given back. */
  async close(): Promise<void> {
    this.#signal?.removeEventListener("abort", this.#abort);
    await this.#worker.terminate();
  }

  #listen(): void {
    this.#answer = Promise.withResolvers();
    // It may fail while nobody asks; the next who does is told.
    this.#answer.promise.catch(() => undefined);
  }

  readonly #fail = (cause: unknown): void => {
    this.#answer.reject(this.#hasBegun ? cause : new NoThread("a thread for initial weights did not begin", { cause }));
  };

  readonly #abort = (): void => {
    this.#answer.reject(this.#signal?.reason);
    void this.#worker.terminate();
  };
}

/** The error as it was thrown, its cause the one that came. */
function revived({ name, error }: Extract<FromThread, { readonly kind: "failed" }>): unknown {
  const Class = Object.entries(classes).find(([known]) => known === name)?.[1];
  return Class !== undefined && error instanceof Error ? new Class(error.message, { cause: error }) : error;
}
