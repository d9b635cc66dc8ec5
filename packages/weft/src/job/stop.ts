/** When a run ends. */
import type { JobStop } from "@weft/protocol";
import type { RoundRule } from "./round.ts";

/** The run ends at whichever comes first. */
export interface StopRule {
  readonly rounds?: number;
  /** Passes over the training set; for rounds of gradients only. */
  readonly epochs?: number;
  /** Ends once a metric on held-out data reaches `value`, checked every `every` rounds (default: at every evaluation, or every round). */
  readonly target?: { readonly metric: string; readonly value: number; readonly every?: number };
  /**
   * Ends early once the metric has not become better, by more than `minDelta` (default 0), for so many evaluations in a row; see
   * `evaluation` of the round. The loss is better when smaller, every other metric when greater.
   */
  readonly patience?: { readonly metric: string; readonly evaluations: number; readonly minDelta?: number };
}

/** The rule as it travels. */
export function wireStop({ target, ...stop }: StopRule, { evaluation }: RoundRule): JobStop {
  return target === undefined ? stop : { ...stop, target: { every: evaluation?.every ?? 1, ...target } };
}

/** What is wrong with a rule for a job that reports these metrics. */
export function stopProblem(stop: StopRule, round: RoundRule, metrics: readonly string[]): string | undefined {
  const { rounds, epochs, target, patience, ...others } = stop;
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) return `stop has no ${unknown}; there are rounds, epochs, target and patience`;
  if (rounds === undefined && epochs === undefined && target === undefined) {
    return "it would never end; give stop: { rounds }, { epochs } or { target }";
  }
  const counts = { rounds, epochs, "patience.evaluations": patience?.evaluations };
  for (const [what, value] of Object.entries(counts)) {
    if (value !== undefined && !(value > 0)) return `stop.${what} is ${value}; expected a positive number`;
    if (value !== undefined && what !== "epochs" && !Number.isInteger(value)) {
      return `stop.${what} is ${value}; expected a whole number`;
    }
  }
  if (target !== undefined && !Number.isFinite(target.value)) {
    return `stop.target.value is ${JSON.stringify(target.value)}; expected a number, such as 0.97`;
  }
  if (epochs !== undefined && round.work.kind === "local") {
    return "stop.epochs counts passes of data-parallel rounds; with federated rounds use stop: { rounds } or { target }";
  }
  for (const [rule, watched] of Object.entries({ target, patience })) {
    if (watched === undefined || watched.metric === "loss" || metrics.includes(watched.metric)) continue;
    return `stop.${rule} names metric ${watched.metric}; expected one of ${["loss", ...metrics].join(", ")}`;
  }
  return undefined;
}
