/** Decides by measuring whether a kernel is divided between threads: what is faster depends on the machine and on who else uses it. */

/** Runs between two trials of the way that was slower; the number doubles as long as the answer stays the same. */
const [firstInterval, lastInterval] = [4, 256];
/** How much of a new time goes into the estimate: code warms up soon, and on a busy machine a fast run may be luck. */
const [fasterWeight, slowerWeight] = [1 / 2, 1 / 4];
/** A run that took longer than this many times the estimate counts as this: one interruption is no reason to change. */
const largestSurprise = 4;
/** So many runs of a trial, all of them faster, change the answer, whatever was known before: one may be luck. */
const convincing = 3;

export class FasterWay {
  /** Whether the next run is to be divided. */
  divided = false;
  readonly #worthMs: number;
  #wholeMs = 0;
  #dividedMs = 0;
  #dividedIsFaster = false;
  #interval = firstInterval;
  #runs = 0;
  /** Times of the trial under way. */
  #trial: number[] = [];

  /** Kernels that take less than `worthMs` on one thread are not divided; if it is 0, all are, always. */
  constructor(worthMs: number) {
    this.#worthMs = worthMs;
    this.divided = worthMs === 0;
  }

  /** Tells how long the run just made took, which sets `divided` for the next. */
  took(ms: number): void {
    if (this.#worthMs === 0) return;
    const { divided } = this;
    const isTrial = divided !== this.#dividedIsFaster && (divided ? this.#dividedMs : this.#wholeMs) > 0;
    const other = divided ? this.#wholeMs : this.#dividedMs;
    if (isTrial && ms < other) {
      this.#trial.push(ms);
      if (this.#trial.length < convincing) return;
    }
    const convinced = this.#trial.length === convincing;
    const known = convinced ? this.#trial.reduce((sum, time) => sum + time, 0) / convincing : undefined;
    if (divided) this.#dividedMs = known ?? blend(this.#dividedMs, ms);
    else this.#wholeMs = known ?? blend(this.#wholeMs, ms);
    this.#trial = [];
    this.#choose();
  }

  #choose(): void {
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
  const time = Math.min(ms, largestSurprise * estimate);
  return estimate + (time < estimate ? fasterWeight : slowerWeight) * (time - estimate);
}
