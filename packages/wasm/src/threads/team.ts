/**
 * The calling thread leads a team that computes kernels together. It opens a kernel by raising the limit of the tickets
 * that may be taken; whoever is awake takes tickets, one chunk of tiles each, the leader too, and the kernel is done when
 * as many are done as were opened. So a helper that starts late, sleeps or lost its core holds nothing up but the chunk
 * it took, and between kernels there is nothing to wait for. Atomics that only spin work on a page's main thread as well.
 */
import { startThread } from "#thread";
import type { BlasFiles } from "../native/blas.ts";
import type { Thread } from "./thread.ts";
import type { StepsMessage } from "./threadBody.ts";
import { controlWords } from "./threadBody.ts";

/** The next kernel or the next run mostly comes sooner; a helper that slept takes a while to get back to its own core. */
const spinMs = 2;
/** How long the leader spins for the others' chunks before it lets other threads have its core for moments. */
const patienceMs = 0.2;
const momentMs = 0.05;

const usuallyWorthMs = 0.01;

const words = controlWords;

export interface TeamOptions {
  readonly size: number;
  readonly worthMs?: number | undefined;
  readonly blas?: BlasFiles | undefined;
}

export class Team {
  /** Threads that compute, the leader included. */
  readonly size: number;
  /** How long a kernel must take on one thread to be worth the attention of all. */
  readonly worthMs: number;
  readonly #threads: readonly Thread[];
  readonly #control: Int32Array<SharedArrayBuffer>;
  #opened = 0;
  #lastStep = 0;
  #lost = 0;
  readonly #pause: (() => void) | undefined;
  readonly #maySleep: boolean;

  constructor(memory: WebAssembly.Memory, { size, worthMs = usuallyWorthMs, blas }: TeamOptions) {
    this.size = size;
    this.worthMs = worthMs;
    this.#control = new Int32Array(new SharedArrayBuffer(4 * (words.asleep + 16 * size)));
    this.#pause = (Atomics as { readonly pause?: () => void }).pause;
    this.#maySleep = mayBlock(this.#control);
    this.#threads = Array.from({ length: size - 1 }, (_, index) => {
      const thread = startThread(() => this.#lost++);
      thread.post({ kind: "start", memory, control: this.#control, words, blas, index, spinMs });
      return thread;
    });
  }

  /** Threads that have not failed. */
  get alive(): number {
    return this.size - this.#lost;
  }

  /** A number for a step that is handed over later. */
  nextStep(): number {
    this.#lastStep = (this.#lastStep + 1) | 0;
    return this.#lastStep;
  }

  /** Hands steps over for all runs to come. */
  hand(steps: StepsMessage): void {
    for (const thread of this.#threads) thread.post(steps);
  }

  forget(steps: readonly number[]): void {
    for (const thread of this.#threads) thread.post({ kind: "forget", steps });
  }

  /** Computes all chunks of a step together, in a certain turn of the loop around it. */
  compute(
    step: number,
    { chunks, turn = 0 }: { chunks: number; turn?: number | undefined },
    run: (chunk: number) => void,
  ): void {
    const base = this.#opened;
    const limit = (base + chunks) | 0;
    this.#opened = limit;
    Atomics.store(this.#control, words.step, step);
    Atomics.store(this.#control, words.base, base);
    Atomics.store(this.#control, words.turn, turn);
    Atomics.store(this.#control, words.limit, limit);
    this.#wakeSleepers();
    const failures: unknown[] = [];
    for (;;) {
      const ticket = Atomics.load(this.#control, words.next);
      if (ticket === limit) break;
      if (Atomics.compareExchange(this.#control, words.next, ticket, (ticket + 1) | 0) !== ticket) continue;
      try {
        run((ticket - base) | 0);
      } catch (error) {
        failures.push(error);
      }
      Atomics.add(this.#control, words.done, 1);
    }
    this.#awaitDone(limit);
    const helperFailed = Atomics.exchange(this.#control, words.failed, 0) === 1;
    if (failures.length > 0 || helperFailed) throw new Error("a kernel failed in its threads", { cause: failures[0] });
  }

  /** Ends the helping threads; what is computed later is computed by the leader alone. */
  stop(): void {
    for (const thread of this.#threads) thread.stop();
    this.#lost = this.#threads.length;
  }

  #wakeSleepers(): void {
    this.#threads.forEach((thread, index) => {
      const asleep = words.asleep + 16 * index;
      if (Atomics.load(this.#control, asleep) === 0) return;
      if (Atomics.exchange(this.#control, asleep, 0) === 1) thread.post({ kind: "wake" });
    });
  }

  #awaitDone(limit: number): void {
    let patientUntil = 0;
    for (let spins = 1; Atomics.load(this.#control, words.done) !== limit; spins++) {
      this.#pause?.();
      if (!this.#maySleep || spins % 128 !== 0) continue;
      const now = performance.now();
      if (patientUntil === 0) patientUntil = now + patienceMs;
      else if (now > patientUntil) Atomics.wait(this.#control, words.failed + 1, 0, momentMs);
    }
  }
}

/** A page's main thread may not block. */
function mayBlock(control: Int32Array<SharedArrayBuffer>): boolean {
  try {
    Atomics.wait(control, 0, 1, 0);
    return true;
  } catch {
    return false;
  }
}
