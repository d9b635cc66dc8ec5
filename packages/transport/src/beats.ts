/** One timer for all that beat at the same interval by the same clock: they come due in the order in which they were set. */
import type { Clock } from "./clock.ts";

/** What is called at every beat until it is removed. */
export interface Beating {
  beat(): void;
}

/** Of the interval: whoever is due within it need not wake the process again. */
const togetherShare = 1 / 50;

export class Beats {
  readonly #clock: Clock;
  readonly #everyMs: number;
  /** When each is due; the first is the next. */
  readonly #dueMs = new Map<Beating, number>();
  #timer: unknown;

  constructor(clock: Clock, everyMs: number) {
    this.#clock = clock;
    this.#everyMs = everyMs;
  }

  add(beating: Beating): void {
    this.#dueMs.set(beating, this.#clock.now() + this.#everyMs);
    if (this.#dueMs.size === 1) this.#wakeIn(this.#everyMs);
  }

  remove(beating: Beating): void {
    if (this.#dueMs.delete(beating) && this.#dueMs.size === 0) this.#clock.clearTimer(this.#timer);
  }

  #wakeIn(ms: number): void {
    this.#timer = this.#clock.setTimer(this.#beat, ms);
  }

  readonly #beat = (): void => {
    const nowMs = this.#clock.now();
    const untilMs = nowMs + this.#everyMs * togetherShare;
    const due: Beating[] = [];
    for (const [beating, dueMs] of this.#dueMs) {
      if (dueMs > untilMs) break;
      due.push(beating);
    }
    for (const beating of due) {
      this.#dueMs.delete(beating);
      this.#dueMs.set(beating, nowMs + this.#everyMs);
    }
    // Set again before anything can go wrong: the others beat on.
    const [nextMs = nowMs] = this.#dueMs.values();
    this.#wakeIn(Math.max(0, nextMs - nowMs));
    // Some may be removed by those before them.
    for (const beating of due) if (this.#dueMs.has(beating)) beating.beat();
  };
}

const known = new WeakMap<Clock, Map<number, Beats>>();

export function beatsOf(clock: Clock, everyMs: number): Beats {
  const ofClock = known.get(clock) ?? new Map<number, Beats>();
  known.set(clock, ofClock);
  const beats = ofClock.get(everyMs) ?? new Beats(clock, everyMs);
  ofClock.set(everyMs, beats);
  return beats;
}
