/**
 * Arithmetic on several threads: each has an engine and a trainer of its own, versions and data lie in memory that all share. A task is computed by one thread, alone, so its bits do not depend on how many there are.
 */
import type { Worker } from "node:worker_threads";
import type { Dataset } from "@weft/data";
import { startThread } from "@weft/transport";
import { checkJob } from "@weft/worker";
import { SimulationError } from "../errors.ts";
import type { Compute, TrainingAnswer } from "./compute.ts";
import { sharedDataset } from "./sharedDataset.ts";
import { isMeasurable, meansOf, testParts } from "./tasks.ts";
import type { FromThread, ToThread } from "./threadMessages.ts";

/**
 * The young generation of a thread's heap. Training leaves arrays of megabytes behind, which count as memory outside it: in a
 * large one they would set off a collection of the whole heap, every few updates, before young objects have ever been looked at.
 */
const resourceLimits = { maxYoungGenerationSizeMb: 12 };

/** Tasks handed to a thread: the one under way, and the next, so that it never waits for this one. */
const tasksOfThread = 2;

type Task = Extract<ToThread, { readonly task: number }>;
type Answered = Extract<FromThread, { readonly task: number }>;
type Unnumbered = Task extends infer T ? (T extends Task ? Omit<T, "task" | "base"> : never) : never;

export interface TrainerThreads {
  /** Puts a job in place of the one before. */
  begin(job: Uint8Array, sets: { readonly train: Dataset; readonly test?: Dataset | undefined }): Promise<Compute>;
  /** Ends the threads; what is under way is given up. */
  close(): Promise<void>;
}

export function startTrainerThreads(threads: number): TrainerThreads {
  const pool = new Pool(threads);
  return {
    begin: (job, sets) => pool.begin(job, sets),
    close: () => pool.close(),
  };
}

/** A thread, what it was told of already, and the tasks it has not answered. */
class Thread {
  readonly waiting = new Map<number, PromiseWithResolvers<Answered>>();
  readonly bases = new WeakSet<Float32Array>();
  readonly #worker: Worker;
  #ready = Promise.withResolvers<undefined>();
  #failure: Error | undefined;

  constructor() {
    this.#worker = startThread(import.meta.url, "trainerThread", { resourceLimits });
    this.#worker.on("message", (message: FromThread) => {
      if (message.kind === "ready") this.#ready.resolve(undefined);
      else if (message.kind === "failed") this.#fail(message.error);
      else this.#settle(message);
    });
    this.#worker.on("error", (error) => {
      this.#fail(error);
    });
    this.#worker.on("exit", (code) => {
      this.#fail(new Error(`the thread ended with code ${code}`));
    });
    this.#ready.promise.catch(() => undefined);
  }

  /** Resolves when it has made a trainer of the job. */
  begin(message: Extract<ToThread, { kind: "job" }>): Promise<undefined> {
    this.#ready = Promise.withResolvers();
    this.tell(message);
    if (this.#failure !== undefined) this.#ready.reject(this.#failure);
    return this.#ready.promise;
  }

  /** @param moved memory that is the thread's from now on */
  tell(message: ToThread, moved: readonly ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, moved);
  }

  ask(message: Task): Promise<Answered> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const answer = Promise.withResolvers<Answered>();
    this.waiting.set(message.task, answer);
    this.tell(message, message.kind === "train" ? [message.room] : []);
    return answer.promise;
  }

  #settle(message: Answered): void {
    const answer = this.waiting.get(message.task);
    this.waiting.delete(message.task);
    answer?.resolve(message);
  }

  #fail(cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.#failure ??= new SimulationError(
      `a thread that trains for the simulation failed (${reason}); the cause is a fault of the job's or of ours: run it with one worker to see where`,
      { cause },
    );
    this.#ready.reject(this.#failure);
    for (const { reject } of this.waiting.values()) reject(this.#failure);
    this.waiting.clear();
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** In memory of their own: with a view, all that it looks into would be copied to the thread. */
const apart = (rows: Uint32Array): Uint32Array => rows.slice();

class Pool {
  readonly #threads: readonly Thread[];
  readonly #bases = new WeakMap<Float32Array, number>();
  readonly #roomOf = new WeakMap<TrainingAnswer, ArrayBuffer>();
  #free: ArrayBuffer[] = [];
  #roomBytes = 0;
  #lastTask = 0;
  #lastBase = 0;

  constructor(threads: number) {
    this.#threads = Array.from({ length: threads }, () => new Thread());
  }

  async begin(job: Uint8Array, sets: { train: Dataset; test?: Dataset | undefined }): Promise<Compute> {
    const checked = checkJob(job);
    const [train, test] = [sharedDataset(sets.train), sets.test && sharedDataset(sets.test)];
    this.#free = [];
    const encoded = checked.fragments.map(({ codec }) => codec.encodedBytes);
    this.#roomBytes = Math.max(4 * checked.manifest.size, ...encoded);
    await Promise.all(this.#threads.map((thread) => thread.begin({ kind: "job", job, train, test })));
    return {
      atOnce: tasksOfThread * this.#threads.length,
      train: ({ base, ...task }) => this.#train(base, task),
      done: (answer) => {
        const room = this.#roomOf.get(answer);
        if (room !== undefined && this.#roomOf.delete(answer)) this.#free.push(room);
      },
      measure: ({ base, ...task }) => this.#measure(base, { set: "train", ...task }),
      evaluate:
        test === undefined || !isMeasurable({ job: checked }) ? undefined : (weights) => this.#evaluate(weights, test),
      close: () => Promise.resolve(),
    };
  }

  async #train(base: Float32Array, task: Omit<Extract<Task, { kind: "train" }>, "task" | "base" | "kind" | "room">) {
    const answered = await this.#ask(base, {
      ...{ kind: "train", ...task, rows: apart(task.rows) },
      room: this.#free.pop() ?? new ArrayBuffer(this.#roomBytes),
    });
    if (answered.kind === "declined") {
      const { kind, code, reason, room } = answered;
      this.#free.push(room);
      return { kind, code, reason };
    }
    if (answered.kind !== "update") throw new Error(`a task to train was answered by ${answered.kind}`);
    const { lengths, weight, metrics, figures, kept, room } = answered;
    let offset = 0;
    const payload = lengths.map((length) => new Uint8Array(room, (offset += length) - length, length));
    const answer: TrainingAnswer = { kind: "update", payload, weight, metrics, figures, kept };
    this.#roomOf.set(answer, room);
    return answer;
  }

  async #measure(base: Float32Array, task: Omit<Extract<Task, { kind: "measure" }>, "task" | "base" | "kind">) {
    const answered = await this.#ask(base, { kind: "measure", ...task, rows: apart(task.rows) });
    if (answered.kind !== "means") throw new Error(`a task to measure was answered by ${answered.kind}`);
    return answered.means;
  }

  async #evaluate(weights: Float32Array, test: Dataset): Promise<Record<string, number>> {
    const base = new Float32Array(new SharedArrayBuffer(weights.byteLength));
    base.set(weights);
    const parts = testParts(test).map(async (rows) => {
      return { examples: rows.length, means: await this.#measure(base, { set: "test", rows, state: {} }) };
    });
    return meansOf(await Promise.all(parts));
  }

  #ask(base: Float32Array, task: Unnumbered): Promise<Answered> {
    // The one with the least to do.
    const thread = this.#threads.reduce((least, other) => (other.waiting.size < least.waiting.size ? other : least));
    const number = this.#bases.get(base) ?? ++this.#lastBase;
    this.#bases.set(base, number);
    if (!thread.bases.has(base)) {
      thread.bases.add(base);
      thread.tell({ kind: "base", base: number, values: base });
    }
    return thread.ask({ ...task, task: ++this.#lastTask, base: number });
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }
}
