/** Lets sockets and timers have their turn now and then while something long is computed. */
import type { Clock } from "@weft/transport";
import { yieldToEvents } from "./yieldToEvents.ts";

export interface Turns {
  /** Resolves at once until the time is up; then after everything else that waits had its turn. */
  take(): Promise<void>;
}

/** @param everyMs how long others wait at most, but for what is computed between two calls */
export function createTurns(clock: Clock, everyMs: number): Turns {
  let takenAt = clock.now();
  return {
    async take() {
      if (clock.now() - takenAt < everyMs) return;
      await yieldToEvents();
      takenAt = clock.now();
    },
  };
}
