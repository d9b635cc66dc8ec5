/** How a job combines updates that are seen side by side, block by block. */
import { type BlockRule, median, trimmedMean } from "@weft/aggregate";
import type { JobRound } from "@weft/protocol";

/** Undefined for the mean, into which updates are folded one by one. */
export function blockRuleOf(combine: JobRound["combine"] = { kind: "mean" }): BlockRule | undefined {
  if (combine.kind === "mean") return undefined;
  return combine.kind === "median" ? median : trimmedMean(combine.fraction);
}
