/** The combine rules by name; one line here registers a rule and puts it under the conformance suite. */
import type { CombineRule } from "./combineRule.ts";
import { CombineRuleError } from "./errors.ts";
import { meanRule, uniformMeanRule } from "./mean.ts";

export const combineRules: readonly CombineRule[] = [meanRule, uniformMeanRule];

/**
 * The rule of that name.
 *
 * @throws {CombineRuleError} when there is none
 */
export function combineRuleOf(name: string): CombineRule {
  const rule = combineRules.find((candidate) => candidate.name === name);
  if (rule === undefined) {
    const known = combineRules.map((candidate) => candidate.name).join(", ");
    throw new CombineRuleError(`combine rule ${JSON.stringify(name.slice(0, 64))}: expected one of ${known}`);
  }
  return rule;
}
