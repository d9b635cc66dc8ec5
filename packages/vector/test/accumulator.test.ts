import {
  type Accumulator,
  blockElements,
  createAccumulator,
  GridError,
  type GridOptions,
  LengthError,
  ValueError,
  WeightError,
} from "@weft/vector";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bitsOf, finiteFloat } from "./bits.ts";

const size = 5;
const maxWeight = 1000;

interface Contribution {
  readonly values: Float32Array;
  readonly weight: number;
}

/** Magnitudes from the bound down to far below the grid, so that order would matter to ordinary sums. */
const contribution = (bound: number): fc.Arbitrary<Contribution> =>
  fc.record({
    values: fc
      .array(fc.tuple(finiteFloat(bound), fc.constantFrom(0, -8, -20, -30, -60)), { minLength: size, maxLength: size })
      .map((pairs) => Float32Array.from(pairs, ([value, exponent]) => value * 2 ** exponent)),
    weight: fc.integer({ min: 0, max: maxWeight }),
  });

/** Each contribution and some of their opposites, whose cancellation lays the low bits of the sums open. */
const contributions = (bound: number): fc.Arbitrary<Contribution[]> =>
  fc
    .array(fc.tuple(contribution(bound), fc.boolean()), { minLength: 1, maxLength: 12 })
    .map((drawn) =>
      drawn.flatMap(([one, cancelled]) => [
        one,
        ...(cancelled ? [{ weight: one.weight, values: one.values.map((value) => -value) }] : []),
      ]),
    );

const bound = fc.integer({ min: -60, max: 100 }).map((exponent) => 1.3 * 2 ** exponent);

const cases = bound.chain((limit) =>
  contributions(limit).chain((all) =>
    fc.record({
      options: fc.constant<GridOptions>({ contributions: all.length + 1, bound: limit, maxWeight }),
      all: fc.constant(all),
      shuffled: fc.shuffledSubarray(all, { minLength: all.length }),
      extra: contribution(limit),
      cut: fc.nat({ max: all.length }),
      cut2: fc.nat({ max: all.length }),
    }),
  ),
);

function sumOf(options: GridOptions, all: readonly Contribution[]): Accumulator {
  const accumulator = createAccumulator(size, options);
  for (const { values, weight } of all) accumulator.addBlock(0, values, weight);
  return accumulator;
}

/** Bits of the sum itself (as a mean over a weight of 1), and the block's weight. */
function read(accumulator: Accumulator, block = 0, elements = size): number[] {
  const out = new Float32Array(elements);
  accumulator.meanBlock(block, 1, out);
  return [...bitsOf(out), accumulator.weightOf(block)];
}

describe("bit for bit", () => {
  test("the sum does not depend on the order of arrival", () => {
    fc.assert(
      fc.property(cases, ({ options, all, shuffled }) => {
        expect(read(sumOf(options, shuffled))).toEqual(read(sumOf(options, all)));
      }),
      { numRuns: 1000 },
    );
  });

  test("a contribution added at any time and subtracted at any later time leaves no trace", () => {
    fc.assert(
      fc.property(cases, ({ options, all, extra, cut, cut2 }) => {
        const [from, to] = cut < cut2 ? [cut, cut2] : [cut2, cut];
        const accumulator = createAccumulator(size, options);
        for (let i = 0; i <= all.length; i++) {
          if (i === from) accumulator.addBlock(0, extra.values, extra.weight);
          if (i === to) accumulator.subtractBlock(0, extra.values, extra.weight);
          const next = all[i];
          if (next !== undefined) accumulator.addBlock(0, next.values, next.weight);
        }
        expect(read(accumulator)).toEqual(read(sumOf(options, all)));
      }),
      { numRuns: 1000 },
    );
  });

  test("partial sums merge to the whole, in any grouping and order", () => {
    fc.assert(
      fc.property(cases, ({ options, all, cut, cut2 }) => {
        const [from, to] = cut < cut2 ? [cut, cut2] : [cut2, cut];
        const parts = () =>
          [all.slice(0, from), all.slice(from, to), all.slice(to)].map((some) => sumOf(options, some));
        const whole = read(sumOf(options, all));
        const [a, b, c] = parts() as [Accumulator, Accumulator, Accumulator];
        a.merge(b);
        a.merge(c);
        expect(read(a)).toEqual(whole);
        const [d, e, f] = parts() as [Accumulator, Accumulator, Accumulator];
        f.merge(e);
        f.merge(d);
        expect(read(f)).toEqual(whole);
        const [g, h, i] = parts() as [Accumulator, Accumulator, Accumulator];
        h.merge(i);
        g.merge(h);
        expect(read(g)).toEqual(whole);
      }),
      { numRuns: 300 },
    );
  });

  test("a lone contribution comes back as it went in, negative zeros and subnormals included", () => {
    const options = { contributions: 1, bound: 2 ** 128, maxWeight: 2 ** 29 };
    const values = fc.array(finiteFloat(), { minLength: size, maxLength: size }).map((list) => Float32Array.from(list));
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 2 ** 29 }), (x, weight) => {
        const accumulator = createAccumulator(size, options);
        const out = new Float32Array(size);
        accumulator.addBlock(
          0,
          x.map((value) => value / 2 + 1),
          3,
        );
        accumulator.subtractBlock(
          0,
          x.map((value) => value / 2 + 1),
          3,
        );
        accumulator.addBlock(0, x, weight);
        accumulator.meanBlock(0, weight, out);
        expect(bitsOf(out)).toEqual(bitsOf(x));
        const gateway = createAccumulator(size, options);
        gateway.merge(accumulator);
        gateway.merge(createAccumulator(size, options));
        gateway.meanBlock(0, weight, out);
        expect(bitsOf(out)).toEqual(bitsOf(x));
      }),
      { examples: [[Float32Array.of(-0, 0, 2 ** -149, -1, 3), 5]] },
    );
  });

  test("blocks interleave freely and do not touch each other", () => {
    const last = 3;
    const options = { contributions: 4, bound: 8, maxWeight: 1 };
    const updates = [1, 2, 3].map((k) =>
      Float32Array.from({ length: blockElements + last }, (_, i) => Math.sin(k * i + k) * 2 ** -(i % 40)),
    );
    const blockOf = (update: Float32Array, block: number) =>
      block === 0 ? update.subarray(0, blockElements) : update.subarray(blockElements);
    const fold = (order: readonly (readonly [number, number])[]) => {
      const accumulator = createAccumulator(blockElements + last, options);
      for (const [update, block] of order) accumulator.addBlock(block, blockOf(updates[update]!, block), 1);
      return [...read(accumulator, 0, blockElements), ...read(accumulator, 1, last)];
    };
    const inTurn = fold([[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1]]); // prettier-ignore
    const mixed = fold([[2, 1], [0, 0], [1, 1], [2, 0], [0, 1], [1, 0]]); // prettier-ignore
    // A list of 65,539 is compared in one piece: a matcher would take seconds to walk it.
    expect(mixed.join() === inTurn.join()).toBe(true);
  });
});

test("ordinary sums in f64 fail where the accumulator does not", () => {
  const big = 2 ** 30;
  const order = [big, 2 ** -30, -big, 2 ** -30];
  const plain = (numbers: readonly number[]) => numbers.reduce((sum, x) => sum + x, 0);
  expect(plain(order)).not.toBe(plain([big, -big, 2 ** -30, 2 ** -30]));
  const options = { contributions: 4, bound: big, maxWeight: 1 };
  const exact = (numbers: readonly number[]) => {
    const accumulator = createAccumulator(1, options);
    for (const x of numbers) accumulator.addBlock(0, Float32Array.of(x), 1);
    return read(accumulator, 0, 1);
  };
  expect(exact(order)).toEqual(exact([2 ** -30, 2 ** -30, -big, big]));
});

test("the mean is off by no more than the documented half quantum a contribution", () => {
  // Multiples of 2^-149, as every f32 is.
  const units = (x: number) => BigInt(x * 2 ** 100 * 2 ** 49);
  const range = fc.integer({ min: -20, max: 20 }).map((exponent) => 1.3 * 2 ** exponent);
  fc.assert(
    fc.property(
      range.chain((limit) => fc.tuple(fc.constant(limit), contributions(limit))),
      ([limit, all]) => {
        const accumulator = sumOf({ contributions: all.length, bound: limit, maxWeight }, all);
        const totalWeight = accumulator.weightOf(0);
        fc.pre(totalWeight > 0);
        const out = new Float32Array(size);
        accumulator.meanBlock(0, totalWeight, out);
        const power = (x: number) => 2 ** Math.ceil(Math.log2(x));
        const quantum = all.length === 1 ? 0 : (power(Math.max(4, all.length)) * 1024 * power(limit)) / 2 ** 53;
        expect(accumulator.grid.quantum).toBe(quantum);
        for (let i = 0; i < size; i++) {
          const sum = all.reduce((total, { values, weight }) => total + BigInt(weight) * units(values[i]!), 0n);
          const mean = Number(sum) / 2 ** 100 / 2 ** 49 / totalWeight;
          const allowed = (all.length * quantum) / 2 / totalWeight + Math.abs(mean) * 2 ** -23 + 2 ** -149;
          expect(Math.abs(out[i]! - mean)).toBeLessThanOrEqual(allowed);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("the sum stays exact with every contribution at bound and maxWeight", () => {
  for (const count of [1, 2, 3, 4, 5, 8, 33]) {
    const options = { contributions: count, bound: 8, maxWeight: 1024 };
    const accumulator = createAccumulator(2, options);
    for (let i = 0; i < count; i++) accumulator.addBlock(0, Float32Array.of(8, -8), 1024);
    const out = new Float32Array(2);
    accumulator.meanBlock(0, accumulator.weightOf(0), out);
    expect([...out]).toEqual([8, -8]);
    for (let i = 1; i < count; i++) accumulator.subtractBlock(0, Float32Array.of(8, -8), 1024);
    expect(read(accumulator, 0, 2)).toEqual([...bitsOf(Float32Array.of(8192, -8192)), 1024]);
  }
});

describe("a refused contribution changes nothing", () => {
  const options = { contributions: 2, bound: 10, maxWeight: 4 };
  const before = () => sumOf(options, [{ values: Float32Array.of(1, -2, 3, 0, 5), weight: 3 }]);
  const good = Float32Array.of(1, 1, 1, 1, 1);
  const refusals: readonly (readonly [string, number, Float32Array, number, new (message: string) => Error])[] = [
    ["NaN in its last element", 0, good.with(4, NaN), 1, ValueError],
    ["an infinity", 0, good.with(4, -Infinity), 1, ValueError],
    ["a value just beyond the bound", 0, good.with(4, 10.000001), 1, ValueError],
    ["a value missing", 0, good.subarray(1), 1, LengthError],
    ["a block that does not exist", 1, good, 1, LengthError],
    ["a negative weight", 0, good, -1, WeightError],
    ["a fractional weight", 0, good, 0.5, WeightError],
    ["a weight beyond the greatest", 0, good, 5, WeightError],
    ["a weight that is no number", 0, good, NaN, WeightError],
  ];
  test.each(refusals)("%s", (_, block, values, weight, error) => {
    const accumulator = before();
    expect(() => accumulator.addBlock(block, values, weight)).toThrow(error);
    expect(() => accumulator.subtractBlock(block, values, weight)).toThrow(error);
    expect(read(accumulator)).toEqual(read(before()));
  });

  test("one more than the grid has room for, and one more taken away than came", () => {
    const accumulator = before();
    accumulator.addBlock(0, good, 1);
    expect(() => accumulator.addBlock(0, good, 1)).toThrow(GridError);
    accumulator.subtractBlock(0, good, 1);
    expect(read(accumulator)).toEqual(read(before()));
    expect(() => accumulator.subtractBlock(0, Float32Array.of(1, -2, 3, 0, 5), 2)).toThrow(GridError);
    accumulator.subtractBlock(0, Float32Array.of(1, -2, 3, 0, 5), 3);
    expect(() => accumulator.subtractBlock(0, good, 0)).toThrow(GridError);
    expect(read(accumulator)).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test("merging another grid, another size, or too much", () => {
    const accumulator = before();
    expect(() => accumulator.merge(createAccumulator(size, { ...options, bound: 11 }))).toThrow(GridError);
    expect(() => accumulator.merge(createAccumulator(size + 1, options))).toThrow(GridError);
    const full = before();
    full.merge(before());
    expect(() => accumulator.merge(full)).toThrow(GridError);
    expect(read(accumulator)).toEqual(read(before()));
  });
});

test("reset leaves a new accumulator", () => {
  const options = { contributions: 2, bound: 10, maxWeight: 4 };
  const accumulator = sumOf(options, [{ values: Float32Array.of(1, -2, 3, 0, 5), weight: 3 }]);
  accumulator.reset();
  expect(read(accumulator)).toEqual(read(createAccumulator(size, options)));
  // Room for as many contributions as at first.
  for (let i = 0; i < options.contributions; i++) accumulator.addBlock(0, new Float32Array(size).fill(2), 1);
  expect(accumulator.weightOf(0)).toBe(2);
});

test("a mean over no weight, and options out of range, are refused", () => {
  const options = { contributions: 2, bound: 10, maxWeight: 4 };
  const out = new Float32Array(size);
  for (const total of [0, -1, NaN, Infinity]) {
    expect(() => createAccumulator(size, options).meanBlock(0, total, out)).toThrow(WeightError);
  }
  for (const contributions of [0, 1.5, 2 ** 25]) {
    expect(() => createAccumulator(size, { ...options, contributions })).toThrow(GridError);
  }
  for (const limit of [0, -1, NaN, Infinity]) {
    expect(() => createAccumulator(size, { ...options, bound: limit })).toThrow(GridError);
  }
  for (const weight of [0, 1.5, 2 ** 29 + 1]) {
    expect(() => createAccumulator(size, { ...options, maxWeight: weight })).toThrow(GridError);
  }
});
