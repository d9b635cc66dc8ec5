import { CombineRuleError, combineRuleOf, combineRules } from "@weft/aggregate";
import { expect, test } from "vitest";
import { describeCombineRule } from "./conformance.ts";

for (const rule of combineRules) describeCombineRule(rule);

test("a rule is found by its name, and an unknown name is refused with the known ones", () => {
  for (const rule of combineRules) expect(combineRuleOf(rule.name)).toBe(rule);
  expect(new Set(combineRules.map(({ name }) => name)).size).toBe(combineRules.length);
  expect(() => combineRuleOf("median")).toThrow(CombineRuleError);
  expect(() => combineRuleOf("toString")).toThrow('combine rule "toString": expected one of mean, uniform-mean');
});
