import * as fc from "fast-check";
import { expect, test } from "vitest";
import { matrixOf } from "../src/codec/lowRank.ts";
import { createRoom, kernels, kernelsFor } from "../src/kernels/kernels.ts";
import { bitsOf } from "./bits.ts";

const none = () => undefined;

/** Shapes with rests of rows, columns and rank. */
const extent = (max: number) => fc.integer({ min: 1, max });
const shapes = fc.record({ rows: extent(40), columns: extent(40), rank: extent(9) });

const wide = [
  { rows: 150, columns: 1001, rank: 3 },
  { rows: 67, columns: 1024, rank: 4 },
  { rows: 3, columns: 70_000, rank: 1 },
];

const filled = (length: number, seed: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.sin(i * (seed + 0.7)) * 2 ** ((i * seed) % 7));

const wrong = (one: Float32Array, other: (i: number) => number): number =>
  one.findIndex((value, i) => !Object.is(value, Math.fround(other(i))));

function check(
  { rows, columns, rank }: { rows: number; columns: number; rank: number },
  seed: number,
  isFirst: boolean,
) {
  const values = filled(rows * columns, seed);
  const before = isFirst ? undefined : filled(rows * columns, seed + 0.3);
  const room = createRoom(values.length, 2);
  const results = ([kernels, none, kernelsFor] as const).map((simd) => {
    const matrix = matrixOf({ kind: "matrix", start: 0, end: rows * columns, rows, columns }, rank, simd);
    const out = new Uint8Array(matrix.encodedBytes);
    const basis = new Float32Array(matrix.basisElements);
    const own = simd === kernelsFor ? room : [before, new Float32Array(values.length)];
    if (before !== undefined) own[0]!.set(before);
    const owed = { before: before && own[0], after: own[1]!.fill(NaN) };
    matrix.encodeOwing(values, owed, out, { seed, basis });
    const decoded = new Float32Array(values.length);
    matrix.decode(out, decoded, 0);
    const from = Math.floor(values.length / 2);
    const part = new Float32Array(Math.min(1000, values.length - from));
    matrix.decode(out, part, from);
    expect(wrong(part, (i) => decoded[from + i]!)).toBe(-1);
    const sum = before === undefined ? values : values.map((value, i) => value + before[i]!);
    expect(wrong(owed.after, (i) => sum[i]! - decoded[i]!)).toBe(-1);
    return [...out, ...bitsOf(basis)].join();
  });
  expect(results[0]).toBe(results[1]);
  expect(results[2]).toBe(results[1]);
}

test("matrices are encoded, decoded and owed with the same bits by kernels, in a room or not, and plain loops", () => {
  fc.assert(
    fc.property(shapes, fc.integer({ min: 1, max: 50 }), fc.boolean(), (shape, seed, isFirst) => {
      check(shape, seed, isFirst);
    }),
    { numRuns: 60 },
  );
});

test.each(wide)("a matrix of $rows × $columns as well, which takes several panels or is too wide for one", (shape) => {
  check(shape, 3, false);
});
