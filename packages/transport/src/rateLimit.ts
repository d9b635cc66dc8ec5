/** A token bucket: `perSecond` on average, up to one second's worth at once; Infinity for no limit. */

export class RateLimit {
  readonly #perSecond: number;
  #tokens: number;
  #lastMs: number | undefined;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
  }

  /** Whether one more is within the limit at this moment; counts it if so. */
  admit(nowMs: number): boolean {
    const perSecond = this.#perSecond;
    if (perSecond === Infinity) return true;
    const passedMs = nowMs - (this.#lastMs ?? nowMs);
    this.#tokens = Math.min(perSecond, this.#tokens + (passedMs / 1000) * perSecond);
    this.#lastMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
