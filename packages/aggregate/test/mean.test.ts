import { meanRule, uniformMeanRule } from "@weft/aggregate";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { combine, type Update } from "./conformance.ts";

const options = { size: 2, contributions: 4, bound: 8, maxWeight: 100 };
const updates: readonly Update[] = [
  { values: Float32Array.of(1, -2), weight: 1 },
  { values: Float32Array.of(5, 2), weight: 3 },
  { values: Float32Array.of(-3, 8), weight: 0 },
];

test("the mean weighs an update by its examples", () => {
  expect(combine(meanRule, updates, options)).toEqual({ values: Float32Array.of(4, 1), weight: 4 });
});

test("the uniform mean gives every update with examples one vote", () => {
  expect(combine(uniformMeanRule, updates, options)).toEqual({ values: Float32Array.of(3, 0), weight: 2 });
});

test("the mean of means by examples is the mean over all examples, to f32's resolution", () => {
  const examples = fc.array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(fc.array(examples, { minLength: 1, maxLength: 4 }), (shards) => {
      const mean = (list: readonly number[]) => list.reduce((sum, x) => sum + x, 0) / list.length;
      const partial = shards.map((shard) => ({ values: Float32Array.of(mean(shard)), weight: shard.length }));
      const combined = combine(meanRule, partial, { ...options, size: 1 });
      expect(combined.weight).toBe(shards.flat().length);
      expect(Math.abs(combined.values[0]! - mean(shards.flat()))).toBeLessThanOrEqual(8 * 2 ** -23);
    }),
  );
});
