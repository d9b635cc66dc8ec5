/** Combine rules: pure functions over blocks. */
export { type Combination, type CombinationOptions, type CombineRule } from "./combineRule.ts";
export { CombineRuleError } from "./errors.ts";
export { meanRule, uniformMeanRule } from "./mean.ts";
export { type BlockRule, median, trimmedMean } from "./orderStatistics.ts";
export { openRetained } from "./retained.ts";
export { combineRuleOf, combineRules } from "./registry.ts";
