/** Round trips of heartbeats while something else passes, and figures that have a limit. */
import type { Connection } from "@weft/transport";
import { type Figure, threeDigits } from "../figure.ts";

/** To have many of them within seconds. */
export const shortBeatMs = 10;
export const heartbeatLimitMs = 50;

export const atMost = (name: string, value: number, { limit, unit }: { limit: number; unit: string }): Figure => ({
  name,
  value: threeDigits(value),
  unit,
  vs: `a limit of ${limit} ${unit}`,
  ratio: threeDigits(limit / value),
});

/** Round-trip times, in milliseconds, of the heartbeats from now until the result is called. */
export function watchHeartbeats(link: Connection): () => number[] {
  const times: number[] = [];
  const timer = setInterval(() => {
    const { roundTripMs } = link.stats;
    if (roundTripMs !== undefined && roundTripMs !== times.at(-1)) times.push(roundTripMs);
  }, 2);
  return () => {
    clearInterval(timer);
    return times;
  };
}

export const percentile = (values: readonly number[], share: number) =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? NaN;
