/**
 * Long work in slices that share the event loop: whatever is under way at once (a step of the model, a version hashed, a hundred
 * uploads moved), together it takes a few milliseconds of each turn, in the order of asking; sockets and timers have the rest.
 */
/**
 * Slices are begun in a turn for so long. Each is meant to take a fraction of a millisecond, for there are machines on which memory is
 * ten times slower now and then (a virtual machine's, whose host takes it back): even there a turn ends in time.
 */
const sliceMs = 3;

export class LoopTurns {
  readonly #nowMs: () => number;
  readonly #waiting: (() => void)[] = [];
  /** When the slices of this turn began, by `nowMs`. */
  #beganMs = 0;
  #isRunning = false;

  /**
   * @param nowMs by the clock: what a thread has computed is known in steps of milliseconds only, and who waits does not ask
   *   which of the two it was
   */
  constructor(nowMs: () => number = () => performance.now()) {
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
