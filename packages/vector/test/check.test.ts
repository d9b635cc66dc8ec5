import { allFinite, squaredNorm } from "@weft/vector";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { anyFloats, finiteFloat } from "./bits.ts";

test("a block is finite exactly when each of its values is", () => {
  fc.assert(
    fc.property(anyFloats(9), (values) => {
      expect(allFinite(values)).toBe(values.every(Number.isFinite));
    }),
  );
  const finite = new Float32Array(9).fill(3.4e38);
  expect(allFinite(finite)).toBe(true);
  for (const bad of [NaN, Infinity, -Infinity]) {
    for (let i = 0; i < finite.length; i++) expect(allFinite(finite.with(i, bad))).toBe(false);
  }
});

test("the squared norm is summed in f64: neither overflow nor loss beyond its last digits", () => {
  fc.assert(
    fc.property(fc.array(finiteFloat(), { maxLength: 11 }), (numbers) => {
      const values = Float32Array.from(numbers);
      const expected = values.reduce((sum, x) => sum + x * x, 0);
      expect(Math.abs(squaredNorm(values) - expected)).toBeLessThanOrEqual(1e-14 * expected);
    }),
  );
  expect(squaredNorm(new Float32Array(8).fill(3e38))).toBeGreaterThan(7e77);
});
