/** A clock that moves only when told to. */
import type { Clock } from "@weft/transport";

export interface VirtualClock extends Clock {
  /** Moves time on, calling what falls due in order, and lets microtasks run after each call. */
  advance(ms: number): Promise<void>;
}

export function virtualClock(): VirtualClock {
  let nowMs = 0;
  const timers = new Set<{ readonly atMs: number; readonly callback: () => void }>();
  return {
    now: () => nowMs,
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
        await settle();
      }
      nowMs = untilMs;
      await settle();
    },
  };
}

/** Lets everything that is ready run: microtasks, and what they schedule. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}
