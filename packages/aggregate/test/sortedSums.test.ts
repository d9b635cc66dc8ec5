/** The SIMD kernels of order statistics beside the plain loops, and the plain loops where there is no SIMD. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { median } from "../src/orderStatistics.ts";
import { plainSortedSums, simdSortedSums, sortedSums } from "../src/sortedSums.ts";

const bits = (sums: Float64Array) => [...new BigUint64Array(sums.buffer, sums.byteOffset, sums.length)];
const value = fc.oneof(fc.float({ noNaN: true }), fc.constantFrom(0, -0, 1, -1));

test("sums of sorted rows are the plain loops', bit for bit, whatever their number and length", () => {
  const cases = fc
    .tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 15 }))
    .chain(([rows, sixteens, less]) => {
      const elements = 16 * sixteens;
      const row = fc.array(value, { minLength: elements - less, maxLength: elements - less });
      return fc.record({
        elements: fc.constant(elements),
        rows: fc.array(
          row.map((list) => Float32Array.from(list)),
          { minLength: rows, maxLength: rows },
        ),
        cuts: fc.tuple(fc.integer({ min: 0, max: rows }), fc.integer({ min: 0, max: rows })),
      });
    });
  fc.assert(
    fc.property(cases, ({ elements, rows, cuts }) => {
      const ranks = { from: Math.min(...cuts), to: Math.max(...cuts) };
      const [plain, simd] = [new Float64Array(rows[0]!.length), new Float64Array(rows[0]!.length)];
      const sums = simdSortedSums(rows.length, elements)!;
      sums(rows, ranks, simd);
      plainSortedSums(
        rows.map((row) => row.slice()),
        ranks,
        plain,
      );
      expect(bits(simd)).toEqual(bits(plain));
    }),
  );
});

test("tiles hold sixteen elements at least, and fewer the more rows there are", () => {
  expect([1, 10, 100, 1000, 20_000].map((rows) => sortedSums(rows).elements)).toEqual([1024, 816, 80, 16, 16]);
});

test("blocks of many tiles, by turns of different numbers of updates", () => {
  const size = 5000;
  for (const count of [9, 100, 9, 2, 100]) {
    const updates = Array.from({ length: count }, (_, k) =>
      Float32Array.from({ length: size }, (_, i) => Math.sin(1 + i * (k + 1))),
    );
    const out = new Float32Array(size);
    const expected = out.map((_, i) => {
      const sorted = updates.map((update) => update[i]!).sort((a, b) => a - b);
      return (sorted[(count - 1) >> 1]! + sorted[count >> 1]!) / 2;
    });
    median(updates, out);
    expect(out).toEqual(expected);
  }
});
