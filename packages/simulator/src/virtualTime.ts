/** Time that moves only from one event to the next: a heap of timers, and clocks that read it right or wrong. */
import type { Clock } from "@weft/transport";

interface Timer {
  readonly atMs: number;
  /** Timers of one moment fire in the order they were set. */
  readonly order: number;
  callback: (() => void) | undefined;
}

export class VirtualTime implements Clock {
  #nowMs = 0;
  #set = 0;
  #live = 0;
  readonly #heap: Timer[] = [];

  now(): number {
    return this.#nowMs;
  }

  /** Timers that are set and will fire. */
  get pending(): number {
    return this.#live;
  }

  setTimer(callback: () => void, ms: number): unknown {
    const timer: Timer = { atMs: this.#nowMs + Math.max(0, ms), order: ++this.#set, callback };
    this.#live += 1;
    this.#push(timer);
    return timer;
  }

  clearTimer(timer: unknown): void {
    if (timer === undefined) return;
    const known = timer as Timer;
    if (known.callback === undefined) return;
    known.callback = undefined;
    this.#live -= 1;
  }

  /** Moves to the next timer that falls due by `untilMs` and calls it; false, with the time at `untilMs`, when there is none. */
  next(untilMs = Infinity): boolean {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || (first.callback !== undefined && first.atMs > untilMs)) {
        if (untilMs < Infinity) this.#nowMs = Math.max(this.#nowMs, untilMs);
        return false;
      }
      this.#pop();
      const { callback } = first;
      if (callback === undefined) continue;
      first.callback = undefined;
      this.#live -= 1;
      this.#nowMs = first.atMs;
      callback();
      return true;
    }
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(timer);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(timer, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function before(a: Timer, b: Timer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/**
 * A clock of one machine: it started elsewhere, and runs fast or slow.
 *
 * @param skew `rate` 1.1 gains six seconds a minute
 */
export function skewedClock(time: Clock, skew: { readonly offsetMs: number; readonly rate: number }): Clock {
  return {
    now: () => skew.offsetMs + skew.rate * time.now(),
    setTimer: (callback, ms) => time.setTimer(callback, ms / skew.rate),
    clearTimer: (timer) => {
      time.clearTimer(timer);
    },
  };
}
