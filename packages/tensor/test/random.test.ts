/** Random numbers from keys. */
import {
  bernoulli,
  foldIn,
  key,
  normal,
  permutation,
  randomBits,
  randomInt,
  splitKey,
  uniform,
  vmap,
} from "@weft/tensor";
import type { Tensor } from "@weft/tensor";
import { describe, expect, it } from "vitest";

const values = (x: Tensor) => [...x.dataSync()];
const meanOf = (numbers: readonly number[]) => numbers.reduce((total, x) => total + x, 0) / numbers.length;

describe("keys", () => {
  it("hold a seed of 64 bits", () => {
    expect(values(key(5))).toEqual([0, 5]);
    expect(values(key(2n ** 40n + 3n))).toEqual([256, 3]);
    expect(values(key(-1))).toEqual([0xffffffff, 0xffffffff]);
  });

  it("split and fold into keys that all differ", () => {
    const root = key(1);
    const rows = values(splitKey(root, 50));
    const folded = Array.from({ length: 50 }, (_, i) => values(foldIn(root, i)).join());
    const split = Array.from({ length: 50 }, (_, i) => rows.slice(2 * i, 2 * i + 2).join());
    expect(new Set([...split, ...folded]).size).toBe(100);
    expect(values(foldIn(root, 7))).toEqual(values(foldIn(root, key(7).at(1))));
  });

  it("give the same bits again, and other keys other bits", () => {
    expect(values(randomBits(key(3), [9]))).toEqual(values(randomBits(key(3), [9])));
    expect(values(randomBits(key(3), [9]))).not.toEqual(values(randomBits(key(4), [9])));
  });

  it("batch: vmap over keys is the same as one after another", () => {
    const keys = splitKey(key(9), 3);
    const batched = vmap((k: Tensor) => normal(k, [4]))(keys);
    expect(values(batched)).toEqual([0, 1, 2].flatMap((i) => values(normal(keys.at(i), [4]))));
  });
});

describe("distributions", () => {
  const count = 20_000;

  it("uniform is in [min, max) with the right mean and spread", () => {
    const x = values(uniform(key(1), [count], { min: -1, max: 3 }));
    expect(Math.min(...x)).toBeGreaterThanOrEqual(-1);
    expect(Math.max(...x)).toBeLessThan(3);
    expect(meanOf(x)).toBeCloseTo(1, 1);
    expect(meanOf(x.map((v) => (v - 1) ** 2))).toBeCloseTo(16 / 12, 1);
  });

  it("normal has the first four moments of a normal, and is finite", () => {
    const x = values(normal(key(2), [count]));
    expect(x.every(Number.isFinite)).toBe(true);
    expect(meanOf(x)).toBeCloseTo(0, 1);
    expect(meanOf(x.map((v) => v ** 2))).toBeCloseTo(1, 1);
    expect(Math.abs(meanOf(x.map((v) => v ** 3)))).toBeLessThan(0.1);
    expect(Math.abs(meanOf(x.map((v) => v ** 4)) - 3)).toBeLessThan(0.2);
    const shifted = values(normal(key(2), [count], { mean: 5, std: 2 }));
    expect(shifted[0]).toBeCloseTo(5 + 2 * x[0]!, 5);
  });

  it("bernoulli is true as often as asked", () => {
    const x = bernoulli(key(3), [count], 0.3);
    expect(x.dtype).toBe("bool");
    expect(meanOf(values(x))).toBeCloseTo(0.3, 1);
    expect(values(bernoulli(key(3), [9], 0)).includes(1)).toBe(false);
    expect(values(bernoulli(key(3), [9], 1)).includes(0)).toBe(false);
  });

  it("a permutation holds every number once, in no order", () => {
    const order = values(permutation(key(4), 1000));
    expect(order.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(order).not.toEqual(order.toSorted((a, b) => a - b));
  });

  it("randomInt reaches each number of its range and no other", () => {
    const x = values(randomInt(key(5), [2000], { low: -3, high: 4 }));
    expect(new Set(x)).toEqual(new Set([-3, -2, -1, 0, 1, 2, 3]));
    expect(() => randomInt(key(5), [1], { low: 3, high: 3 })).toThrow("expected low < high");
  });
});
