/** A clock that moves only when told to. */
import type { Clock } from "@weft/transport";

export interface VirtualClock extends Clock {
  /** Timers that are set. */
  readonly pending: number;
  /** Moves time on, calling what falls due in order, and pauses after each call. */
  advance(ms: number): Promise<void>;
}

/** @param pause lets what follows from a call happen; by default microtasks run */
export function virtualClock(pause: () => Promise<void> = settle): VirtualClock {
  let nowMs = 0;
  const timers = new Set<{ readonly atMs: number; readonly callback: () => void }>();
  return {
    now: () => nowMs,
    get pending() {
      return timers.size;
    },
    setTimer(callback, ms) {
      const timer = { atMs: nowMs + ms, callback };
      timers.add(timer);
      return timer;
    },
    clearTimer(timer) {
      timers.delete(timer as never);
    },
    async advance(ms) {
      const untilMs = nowMs + ms;
      for (;;) {
        const due = [...timers].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
        if (due === undefined) break;
        timers.delete(due);
        nowMs = due.atMs;
        due.callback();
        await pause();
      }
      nowMs = untilMs;
      await pause();
    },
  };
}

/** Lets everything that is ready run: microtasks, and what they schedule. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}
