import { type BlockRule, CombineRuleError, median, trimmedMean } from "@weft/aggregate";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

const rules: readonly (readonly [string, BlockRule, (sorted: readonly number[]) => readonly number[]])[] = [
  ["median", median, (sorted) => sorted.slice(Math.ceil(sorted.length / 2) - 1, (sorted.length >> 1) + 1)],
  ...[0, 0.1, 0.25, 0.49].map(
    (fraction) =>
      [
        `trimmed mean of ${fraction}`,
        trimmedMean(fraction),
        (sorted: readonly number[]) => {
          const cut = Math.floor(fraction * sorted.length);
          return sorted.slice(cut, sorted.length - cut);
        },
      ] as const,
  ),
];

const apply = (rule: BlockRule, updates: readonly Float32Array[], size: number): Float32Array => {
  const out = new Float32Array(size);
  rule(
    updates.map((update) => update.slice()),
    out,
  );
  return out;
};

const size = 5;
const updatesOf = fc.array(
  fc
    .array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: size, maxLength: size })
    .map((list) => Float32Array.from(list)),
  { minLength: 1, maxLength: 40 },
);

describe.each(rules)("%s", (_, rule, kept) => {
  test("is the mean of what the definition keeps of each element", () => {
    fc.assert(
      fc.property(updatesOf, (updates) => {
        const expected = Float32Array.from({ length: size }, (_, i) => {
          const sorted = updates.map((update) => update[i]!).sort((a, b) => a - b || (Object.is(a, -0) ? -1 : 1));
          const middle = kept(sorted);
          return middle.reduce((sum, value) => sum + value, 0) / middle.length;
        });
        const got = apply(rule, updates, size);
        expect(got.every((value, i) => value === expected[i])).toBe(true);
      }),
    );
  });

  test("does not depend on the order of the updates, bit for bit", () => {
    fc.assert(
      fc.property(
        updatesOf.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
        ([all, shuffled]) => {
          const [a, b] = [apply(rule, all, size), apply(rule, shuffled, size)];
          expect([...new Uint32Array(a.buffer)]).toEqual([...new Uint32Array(b.buffer)]);
        },
      ),
    );
  });

  test("leaves identical updates as they are, in blocks longer than a tile", () => {
    const update = Float32Array.from({ length: 2500 }, (_, i) => Math.sin(i));
    expect(apply(rule, [update, update, update], 2500)).toEqual(update);
  });

  test("refuses no updates, and blocks of different length", () => {
    expect(() => apply(rule, [], 3)).toThrow(CombineRuleError);
    expect(() => apply(rule, [new Float32Array(3), new Float32Array(2)], 3)).toThrow(CombineRuleError);
  });
});

test("a minority of any values whatever moves the median no further than the honest ones are apart", () => {
  fc.assert(
    fc.property(updatesOf, fc.array(fc.float({ noNaN: true, noDefaultInfinity: true })), (honest, lies) => {
      const minority = lies.slice(0, Math.ceil(honest.length / 2) - 1);
      const all = [...honest, ...minority.map((lie) => new Float32Array(size).fill(lie))];
      const got = apply(median, all, size);
      for (let i = 0; i < size; i++) {
        const column = honest.map((update) => update[i]!);
        expect(got[i]).toBeGreaterThanOrEqual(Math.min(...column));
        expect(got[i]).toBeLessThanOrEqual(Math.max(...column));
      }
    }),
  );
});

test("three updates of ByzFL's documentation give its median and trimmed mean", () => {
  // LPD-EPFL/byzfl, byzfl/aggregators: examples of Median and TrMean(f=1).
  const updates = [Float32Array.of(1, 2, 3), Float32Array.of(4, 5, 6), Float32Array.of(7, 8, 9)];
  for (const rule of [median, trimmedMean(1 / 3)]) expect([...apply(rule, updates, 3)]).toEqual([4, 5, 6]);
});

test("fractions of which nothing would be left are refused", () => {
  for (const fraction of [0.5, -0.1, NaN]) expect(() => trimmedMean(fraction)).toThrow(CombineRuleError);
});
