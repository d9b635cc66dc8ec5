/** Combine rules: pure functions over blocks. */
export { type Combination, type CombinationOptions, type CombineRule } from "./combineRule.ts";
export { CombineRuleError } from "./errors.ts";
export { meanRule, uniformMeanRule } from "./mean.ts";
export { combineRuleOf, combineRules } from "./registry.ts";
