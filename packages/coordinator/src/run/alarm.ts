/** One wake-up call at a time on the run's clock. */
import type { Clock } from "@weft/transport";

export class Alarm {
  readonly #clock: Clock;
  readonly #ring: () => void;
  #timer: unknown;

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /** Rings at `atMs`, in place of the time set before; never for undefined. */
  set(atMs: number | undefined): void {
    this.cancel();
    if (atMs === undefined) return;
    // Timers may fire a little early; a tick before its time would wake nobody.
    this.#timer = this.#clock.setTimer(this.#ring, Math.max(0, Math.ceil(atMs - this.#clock.now())) + 1);
  }

  cancel(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }
}
