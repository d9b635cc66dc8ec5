/** How long a round may take: fixed by the job, or learnt from recent rounds (median + k·MAD). */
import type { DeadlineRule } from "@weft/protocol";

/** Rounds remembered; fewer than `warmUp` are no ground to judge by, for first rounds compile and load. */
export const remembered = 21;
const warmUp = 5;
const warmUpMs = 120_000;
const floorMs = 10_000;
/** Of the rule "adaptive". */
const usualDeviations = 10;

/**
 * Milliseconds for the next attempt. Each failed attempt doubles it, so that a deadline below what anyone can do does not
 * fail forever.
 *
 * The deviation counts as at least a quarter of the median: equal round times on a calm machine are no promise for a
 * busy one.
 */
export function deadlineFor(rule: DeadlineRule, durations: readonly number[], attempt: number): number {
  const patience = 2 ** Math.min(attempt, 6);
  if (typeof rule === "number") return rule * patience;
  if (durations.length < warmUp) return warmUpMs * patience;
  const deviations = rule === "adaptive" ? usualDeviations : rule.deviations;
  const middle = median(durations);
  const spread = Math.max(median(durations.map((duration) => Math.abs(duration - middle))), middle / 4);
  return Math.ceil(Math.max(floorMs, middle + deviations * spread)) * patience;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  const upper = sorted[half] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[half - 1] ?? 0)) / 2;
}
