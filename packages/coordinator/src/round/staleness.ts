/** What an update that was made on an older version weighs. */
import type { StalenessRule } from "@weft/protocol";

/**
 * The weight of an update made `staleness` versions ago, 1 for a fresh one: constant, or (1 + τ)^-exponent, the polynomial rule of
 * FedAsync (Xie et al. 2019), which FedBuff (Nguyen et al. 2022) takes with exponent 1/2.
 */
export function stalenessWeight(rule: StalenessRule, staleness: number): number {
  return rule.kind === "constant" ? 1 : (1 + staleness) ** -rule.exponent;
}

/** The rule for updates that a synchronous round counts one round late. */
export const lateRule: StalenessRule = { kind: "polynomial", exponent: 0.5 };
