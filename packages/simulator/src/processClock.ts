/** One simulated process: a clock that dies, or stands still, with it. */
import type { Clock } from "@weft/transport";

/**
 * What a process sees of time. Killed, none of its timers fires any more; frozen (a laptop whose lid is shut), those that
 * fall due wait until it is thawed.
 */
export class ProcessClock implements Clock {
  readonly #time: Clock;
  readonly #live = new Map<object, unknown>();
  #overdue: (() => void)[] | undefined;
  #dead = false;

  constructor(time: Clock) {
    this.#time = time;
  }

  /** Timers of this process that are set. */
  get pending(): number {
    return this.#live.size;
  }

  get isFrozen(): boolean {
    return this.#overdue !== undefined;
  }

  get isDead(): boolean {
    return this.#dead;
  }

  now(): number {
    return this.#time.now();
  }

  setTimer(callback: () => void, ms: number): unknown {
    const timer = {};
    if (this.#dead) return timer;
    const fire = () => {
      if (!this.#live.delete(timer)) return;
      callback();
    };
    this.#live.set(
      timer,
      this.#time.setTimer(() => {
        this.run(fire);
      }, ms),
    );
    return timer;
  }

  clearTimer(timer: unknown): void {
    if (timer === undefined) return;
    const inner = this.#live.get(timer as object);
    this.#live.delete(timer as object);
    this.#time.clearTimer(inner);
  }

  /** Does what happens to the process: at once, when it is thawed, or never. */
  run(task: () => void): void {
    if (this.#dead) return;
    if (this.#overdue === undefined) task();
    else this.#overdue.push(task);
  }

  freeze(): void {
    this.#overdue ??= [];
  }

  thaw(): void {
    const overdue = this.#overdue ?? [];
    this.#overdue = undefined;
    for (const task of overdue) this.run(task);
  }

  kill(): void {
    this.#dead = true;
    for (const timer of this.#live.values()) this.#time.clearTimer(timer);
    this.#live.clear();
    this.#overdue = undefined;
  }
}
