/**
 * Long work in slices that share the event loop: whatever is under way at once (a step of the model, a version hashed, a hundred
 * uploads moved), together it takes a few milliseconds of each turn, in the order of asking; sockets and timers have the rest.
 */
import { threadMs } from "./threadTime.ts";

/** Slices are begun in a turn for so long; each is meant to be some milliseconds at most. */
const sliceMs = 3;

export class LoopTurns {
  readonly #nowMs: () => number;
  readonly #waiting: (() => void)[] = [];
  /** When the slices of this turn began, by `nowMs`. */
  #beganMs = 0;
  #isRunning = false;

  /** @param nowMs milliseconds of computing */
  constructor(nowMs: () => number = threadMs) {
    this.#nowMs = nowMs;
  }

  /** Resolves when the caller may go on with a slice, after those who asked before. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#isRunning) return;
      this.#isRunning = true;
      this.#inNextTurn();
    });
  }

  #inNextTurn(): void {
    setImmediate(() => {
      this.#beganMs = this.#nowMs();
      this.#slice();
    });
  }

  readonly #slice = (): void => {
    this.#waiting.shift()?.();
    // The slice runs in microtasks, of which the one queued here may be among the first; a tick comes after all of them.
    queueMicrotask(() => {
      process.nextTick(this.#afterSlice);
    });
  };

  readonly #afterSlice = (): void => {
    if (this.#waiting.length === 0) this.#isRunning = false;
    else if (this.#nowMs() - this.#beganMs < sliceMs) this.#slice();
    else this.#inNextTurn();
  };
}

/** Of this thread. */
export const loopTurns = new LoopTurns();
