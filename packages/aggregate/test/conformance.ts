/** What every combine rule must hold to, whatever it computes; `describeCombineRule` puts a rule under it. */
import type { CombinationOptions, CombineRule } from "@weft/aggregate";
import { blockCount, blockRange, GridError, LengthError, ValueError, WeightError } from "@weft/vector";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

export interface Update {
  readonly values: Float32Array;
  readonly weight: number;
}

/** One block of one update, on its way in or out. */
type Step = readonly [update: Update, block: number, kind: "add" | "subtract"];

const size = 6;
const options: CombinationOptions = { size, contributions: 12, bound: 2 ** 20, maxWeight: 100 };

/** Values over 60 binary orders of magnitude, so that order would matter to ordinary sums. */
const value = fc
  .tuple(fc.float({ min: -1, max: 1, noNaN: true }), fc.integer({ min: -40, max: 20 }))
  .map(([fraction, exponent]) => Math.fround(fraction * 2 ** exponent));

const update = (minWeight = 0): fc.Arbitrary<Update> =>
  fc.record({
    values: fc.array(value, { minLength: size, maxLength: size }).map((list) => Float32Array.from(list)),
    weight: fc.integer({ min: minWeight, max: options.maxWeight }),
  });

/** Updates of which at least one has weight, and the same in another order. */
const updates = fc
  .tuple(update(1), fc.array(update(), { maxLength: options.contributions - 2 }))
  .chain(([first, rest]) =>
    fc.record({
      all: fc.constant([first, ...rest]),
      shuffled: fc.shuffledSubarray([first, ...rest], { minLength: rest.length + 1 }),
    }),
  );

/** The whole vector that the rule makes of these updates, and its weight. */
export function combine(rule: CombineRule, all: readonly Update[], opened = options): Update {
  const combination = rule.open(opened);
  for (let block = 0; block < blockCount(opened.size); block++) {
    const { start, end } = blockRange(opened.size, block);
    for (const { values, weight } of all) combination.add(block, values.subarray(start, end), weight);
  }
  return resultOf(combination, opened.size);
}

function resultOf(combination: ReturnType<CombineRule["open"]>, elements: number): Update {
  const values = new Float32Array(elements);
  for (let block = 0; block < blockCount(elements); block++) {
    const { start, end } = blockRange(elements, block);
    combination.result(block, values.subarray(start, end));
  }
  return { values, weight: combination.weight };
}

const bits = ({ values, weight }: Update) => [...new Uint32Array(values.slice().buffer), weight];

export function describeCombineRule(rule: CombineRule): void {
  describe(`the combine rule ${rule.name}`, () => {
    test("gives the same bits in any order", () => {
      fc.assert(
        fc.property(updates, ({ all, shuffled }) => {
          expect(bits(combine(rule, shuffled))).toEqual(bits(combine(rule, all)));
        }),
        { numRuns: 300 },
      );
    });

    test("keeps no trace of an update that was added and subtracted", () => {
      fc.assert(
        fc.property(updates, update(), fc.nat(), fc.nat(), ({ all, shuffled }, extra, at, length) => {
          const from = at % (all.length + 1);
          const to = from + (length % (all.length + 1 - from));
          const combination = rule.open(options);
          for (let i = 0; i <= all.length; i++) {
            if (i === from) combination.add(0, extra.values, extra.weight);
            if (i === to) combination.subtract(0, extra.values, extra.weight);
            const next = shuffled[i];
            if (next !== undefined) combination.add(0, next.values, next.weight);
          }
          expect(bits(resultOf(combination, size))).toEqual(bits(combine(rule, all)));
        }),
        { numRuns: 300 },
      );
    });

    test("lets blocks of several updates arrive interleaved", () => {
      const wide = { ...options, size: 65536 + 3, contributions: 4 };
      const all = [1, 2, 3].map((k) => ({
        values: Float32Array.from({ length: wide.size }, (_, i) => Math.sin(k * i) * 2 ** -(i % 40)),
        weight: 10 * k,
      }));
      const [a, b, c] = all as [Update, Update, Update];
      const steps: readonly Step[] = [
        [c, 1, "add"],
        [a, 0, "add"],
        [b, 1, "add"],
        [b, 1, "subtract"],
        [a, 1, "add"],
        [c, 0, "add"],
        [b, 0, "add"],
        [b, 1, "add"], // prettier-ignore
      ];
      const combination = rule.open(wide);
      for (const [{ values, weight }, block, kind] of steps) {
        const { start, end } = blockRange(wide.size, block);
        combination[kind](block, values.subarray(start, end), weight);
      }
      expect(bits(resultOf(combination, wide.size)).join() === bits(combine(rule, all, wide)).join()).toBe(true);
    });

    test("takes values from the room it gives as it takes others", () => {
      fc.assert(
        fc.property(updates, ({ all }) => {
          const combination = rule.open(options);
          for (const { values, weight } of all) {
            const room = combination.room(0);
            room.set(values);
            combination.add(0, room, weight);
          }
          expect(bits(resultOf(combination, size))).toEqual(bits(combine(rule, all)));
        }),
      );
    });

    test("leaves identical updates as they are, whatever their weights", () => {
      // Above a ten-thousandth of the bound, well within what every rule's sums resolve.
      const coarse = fc.float({ min: 128, max: 2 ** 20, noNaN: true });
      fc.assert(
        fc.property(
          fc.array(coarse, { minLength: size, maxLength: size }),
          fc.array(fc.integer({ min: 1, max: options.maxWeight }), { minLength: 1, maxLength: options.contributions }),
          (list, weights) => {
            const values = Float32Array.from(list, (x, i) => (i % 2 === 0 ? x : -x));
            const combined = combine(rule, weights.map((weight) => ({ values, weight }))); // prettier-ignore
            expect([...combined.values]).toEqual([...values]);
          },
        ),
      );
    });

    test("stays between the least and the greatest of the updates", () => {
      fc.assert(
        fc.property(updates, ({ all }) => {
          const weighty = all.filter(({ weight }) => weight > 0);
          const { values } = combine(rule, all);
          for (let i = 0; i < size; i++) {
            const column = weighty.map((one) => one.values[i]!);
            // Grid and f32 rounding may step over by 1e-9 of the bound at most.
            expect(values[i]).toBeGreaterThanOrEqual(Math.min(...column) - 1e-3);
            expect(values[i]).toBeLessThanOrEqual(Math.max(...column) + 1e-3);
          }
        }),
      );
    });

    test("gives a lone update back bit for bit when it was opened for one", () => {
      fc.assert(
        fc.property(update(1), (one) => {
          const { values } = combine(rule, [one], { ...options, contributions: 1 });
          expect(bits({ ...one, values })).toEqual(bits(one));
        }),
      );
    });

    test("gives an update of weight zero no say", () => {
      fc.assert(
        fc.property(updates, update(), ({ all }, extra) => {
          expect(bits(combine(rule, [{ ...extra, weight: 0 }, ...all]))).toEqual(bits(combine(rule, all)));
        }),
      );
    });

    test("refuses a bad contribution with a named error and is unchanged by it", () => {
      const good: Update = { values: Float32Array.of(1, 2, 3, 4, 5, 6), weight: 2 };
      const refusals: readonly (readonly [Float32Array, number, number, new (message: string) => Error])[] = [
        [good.values.with(5, NaN), 0, 1, ValueError],
        [good.values.with(5, Infinity), 0, 1, ValueError],
        [good.values.with(5, 2 ** 20 + 1), 0, 1, ValueError],
        [good.values.subarray(1), 0, 1, LengthError],
        [good.values, 1, 1, LengthError],
        [good.values, 0, -1, WeightError],
        [good.values, 0, 1.5, WeightError],
        [good.values, 0, NaN, WeightError],
        [good.values, 0, options.maxWeight + 1, WeightError],
      ];
      const combination = rule.open(options);
      combination.add(0, good.values, good.weight);
      for (const [values, block, weight, error] of refusals) {
        expect(() => combination.add(block, values, weight)).toThrow(error);
        expect(() => combination.subtract(block, values, weight)).toThrow(error);
      }
      expect(bits(resultOf(combination, size))).toEqual(bits(combine(rule, [good])));
    });

    test("refuses more updates than it was opened for, and to take out what is not there", () => {
      const combination = rule.open({ ...options, contributions: 1 });
      const values = new Float32Array(size);
      expect(() => combination.subtract(0, values, 1)).toThrow(GridError);
      combination.add(0, values, 1);
      expect(() => combination.add(0, values, 1)).toThrow(GridError);
      expect(combination.weight).toBeGreaterThan(0);
    });

    test("has no result without weight, nor while an update is partly there", () => {
      const combination = rule.open({ ...options, size: 65536 + 1 });
      const tail = new Float32Array(1);
      expect(combination.weight).toBe(0);
      expect(() => combination.result(1, tail)).toThrow(WeightError);
      combination.add(1, tail, 0);
      expect(() => combination.result(1, tail)).toThrow(WeightError);
      combination.add(1, tail, 5);
      expect(() => combination.weight).toThrow(WeightError);
      expect(() => combination.result(1, tail)).toThrow(WeightError);
      combination.add(0, new Float32Array(65536), 5);
      combination.result(1, tail.fill(7));
      expect(tail[0]).toBe(0);
    });

    test("forgets everything on reset", () => {
      const combination = rule.open(options);
      combination.add(0, Float32Array.of(1, 2, 3, 4, 5, 6), 9);
      combination.reset();
      expect(combination.weight).toBe(0);
      const fresh: Update = { values: Float32Array.of(6, 5, 4, 3, 2, 1), weight: 4 };
      combination.add(0, fresh.values, fresh.weight);
      expect(bits(resultOf(combination, size))).toEqual(bits(combine(rule, [fresh])));
    });

    test("serves a vector without elements", () => {
      expect(rule.open({ ...options, size: 0 }).weight).toBe(0);
    });

    test("refuses options out of range", () => {
      expect(() => rule.open({ ...options, contributions: 0 })).toThrow(GridError);
      expect(() => rule.open({ ...options, bound: NaN })).toThrow(GridError);
    });
  });
}
