/** Decides by measuring whether a kernel is divided between threads: what is faster depends on the machine and on who else uses it. */

/** Runs between two trials of the way that was slower; the number doubles as long as the answer stays the same. */
const [firstInterval, lastInterval] = [4, 256];
/** How much of a new time goes into the estimate: code warms up soon, and on a busy machine a fast run may be luck. */
const [fasterWeight, slowerWeight] = [1 / 2, 1 / 4];

export class FasterWay {
  /** Whether the next run is to be divided. */
  divided = false;
  readonly #worthMs: number;
  #wholeMs = 0;
  #dividedMs = 0;
  #dividedIsFaster = false;
  #interval = firstInterval;
  #runs = 0;

  /** Kernels that take less than `worthMs` on one thread are not divided; if it is 0, all are, always. */
  constructor(worthMs: number) {
    this.#worthMs = worthMs;
    this.divided = worthMs === 0;
  }

  /** Tells how long the run just made took, which sets `divided` for the next. */
  took(ms: number): void {
    if (this.#worthMs === 0) return;
    if (this.divided) this.#dividedMs = blend(this.#dividedMs, ms);
    else this.#wholeMs = blend(this.#wholeMs, ms);
    const worthwhile = this.#wholeMs > this.#worthMs;
    // Until it was tried, dividing takes no time at all, so it is tried next.
    const faster = worthwhile && this.#dividedMs < this.#wholeMs;
    if (faster !== this.#dividedIsFaster) {
      this.#dividedIsFaster = faster;
      this.#interval = firstInterval;
      this.#runs = 0;
    }
    this.#runs++;
    const trial = worthwhile && this.#runs === this.#interval;
    if (trial) {
      this.#runs = 0;
      this.#interval = Math.min(2 * this.#interval, lastInterval);
    }
    this.divided = trial ? !faster : faster;
  }
}

function blend(estimate: number, ms: number): number {
  if (estimate === 0) return ms;
  return estimate + (ms < estimate ? fasterWeight : slowerWeight) * (ms - estimate);
}
