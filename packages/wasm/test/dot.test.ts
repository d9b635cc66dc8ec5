import { hasRelaxedSimd } from "@weft/emitter";
import type { DType, DotParams, Shape, TensorData } from "@weft/tensor";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rowMajorStrides } from "../src/kernels/axes.ts";
import { dotKernel } from "../src/kernels/dot.ts";
import { randomFloats, randomIntegers } from "./randomData.ts";
import { runKernel } from "./runKernel.ts";

interface Case {
  readonly lhs: Shape;
  readonly rhs: Shape;
  readonly params: DotParams;
}

/** Plain loops over the index space, summed in f64. */
function expected({ lhs, rhs, params }: Case, [a, b]: readonly [TensorData, TensorData]): number[] {
  const free = (shape: Shape, used: readonly number[]) => shape.map((_, i) => i).filter((i) => !used.includes(i));
  const lhsFree = free(lhs, [...params.lhsBatch, ...params.lhsContract]);
  const rhsFree = free(rhs, [...params.rhsBatch, ...params.rhsContract]);
  const sizes = (shape: Shape, axes: readonly number[]) => axes.map((axis) => shape[axis]!);
  const [lhsStrides, rhsStrides] = [rowMajorStrides(lhs), rowMajorStrides(rhs)];
  const results: number[] = [];
  const offset = (strides: readonly number[], axes: readonly number[], index: readonly number[]) =>
    axes.reduce((sum, axis, i) => sum + strides[axis]! * index[i]!, 0);
  for (const batch of indices(sizes(lhs, params.lhsBatch))) {
    for (const row of indices(sizes(lhs, lhsFree))) {
      for (const column of indices(sizes(rhs, rhsFree))) {
        const left = offset(lhsStrides, params.lhsBatch, batch) + offset(lhsStrides, lhsFree, row);
        const right = offset(rhsStrides, params.rhsBatch, batch) + offset(rhsStrides, rhsFree, column);
        let sum = 0;
        for (const k of indices(sizes(lhs, params.lhsContract))) {
          const x = a[left + offset(lhsStrides, params.lhsContract, k)]!;
          sum += x * b[right + offset(rhsStrides, params.rhsContract, k)]!;
        }
        results.push(sum);
      }
    }
  }
  return results;
}

function indices(sizes: readonly number[]): number[][] {
  return sizes.reduce<number[][]>(
    (all, size) => all.flatMap((index) => Array.from({ length: size }, (_, i) => [...index, i])),
    [[]],
  );
}

const resultShape = ({ lhs, rhs, params }: Case): Shape => [
  ...params.lhsBatch.map((axis) => lhs[axis]!),
  ...lhs.filter((_, i) => !params.lhsBatch.includes(i) && !params.lhsContract.includes(i)),
  ...rhs.filter((_, i) => !params.rhsBatch.includes(i) && !params.rhsContract.includes(i)),
];

const sizeOf = (shape: Shape) => shape.reduce((product, n) => product * n, 1);

interface CheckOptions {
  readonly relaxed?: boolean;
  readonly dtype?: DType;
  /** Tiles per call when the work is split. */
  readonly cut?: number;
}

function check(example: Case, { relaxed = false, dtype = "f32", cut = 1 }: CheckOptions = {}): void {
  const kernel = dotKernel({ relaxed })(
    [
      { shape: example.lhs, dtype },
      { shape: example.rhs, dtype },
    ],
    example.params,
  );
  const data = dtype === "f32" ? randomFloats : randomIntegers;
  const operands: [TensorData, TensorData] = [data(sizeOf(example.lhs), 1), data(sizeOf(example.rhs), 2)];
  const type = { shape: resultShape(example), dtype };
  const whole = runKernel(kernel, operands, type);
  const truth = expected(example, operands);
  const k = example.params.lhsContract.reduce((product, axis) => product * example.lhs[axis]!, 1);
  const tolerance = 4e-6 * (Math.sqrt(k) + 1);
  for (let i = 0; i < truth.length; i++) {
    const exact = dtype === "f32" ? Math.abs(whole[i]! - truth[i]!) <= tolerance : whole[i] === truth[i];
    if (!exact) expect.fail(`element ${i} of ${JSON.stringify(example)}: ${whole[i]}, expected ${truth[i]}`);
  }
  const cuts = Array.from({ length: kernel.tiles }, (_, i) => i).filter((i) => i % cut === 0);
  expect(runKernel(kernel, operands, type, cuts)).toEqual(whole);
}

const layouts = { NN: [1, 0], NT: [1, 1], TN: [0, 0], TT: [0, 1] } as const;

/** m × k times k × n in one of the four layouts. */
function product(m: number, n: number, [k, layout]: readonly [number, keyof typeof layouts]): Case {
  const [left, right] = layouts[layout];
  return {
    lhs: left === 1 ? [m, k] : [k, m],
    rhs: right === 0 ? [k, n] : [n, k],
    params: { lhsBatch: [], rhsBatch: [], lhsContract: [left], rhsContract: [right] },
  };
}

describe("dot", () => {
  const layout = fc.constantFrom(...(Object.keys(layouts) as (keyof typeof layouts)[]));
  const size = fc.integer({ min: 1, max: 40 });

  it("multiplies matrices of any size in every layout", () => {
    const property = fc.property(size, size, size, layout, (m, n, k, kind) => check(product(m, n, [k, kind])));
    fc.assert(property, { numRuns: 150 });
  });

  it.skipIf(!hasRelaxedSimd())("does so with fused multiply-add (skipped where the engine has none)", () => {
    const property = fc.property(size, size, size, layout, (m, n, k, kind) =>
      check(product(m, n, [k, kind]), { relaxed: true }),
    );
    fc.assert(property, { numRuns: 80 });
  });

  it("multiplies by one to four vectors from either side", () => {
    const thin = fc.integer({ min: 1, max: 4 });
    const wide = fc.integer({ min: 1, max: 230 });
    const property = fc.property(thin, wide, fc.integer({ min: 1, max: 70 }), layout, (t, w, k, kind) => {
      check(product(t, w, [k, kind]));
      check(product(w, t, [k, kind]));
    });
    fc.assert(property, { numRuns: 60 });
  });

  it("multiplies by wide matrices without packing them", () => {
    const rows = fc.integer({ min: 5, max: 75 });
    const [columns, terms] = [fc.integer({ min: 30, max: 270 }), fc.integer({ min: 20, max: 110 })];
    const property = fc.property(rows, columns, terms, layout, (m, n, k, kind) => check(product(m, n, [k, kind])));
    fc.assert(property, { numRuns: 60 });
    check(product(10, 41, [1031, "NT"]));
    check(product(37, 33, [258, "NT"]));
    check({
      lhs: [3, 7, 100],
      rhs: [3, 50, 100],
      params: { lhsBatch: [0], rhsBatch: [0], lhsContract: [2], rhsContract: [2] },
    });
  });

  it.each(["NN", "NT", "TN", "TT"] as const)("spans several blocks of every axis (%s)", (kind) => {
    check(product(70, 521, [259, kind]), { cut: 3 });
    check(product(133, 12, [530, kind]));
  });

  it("contracts any axes with any batch axes in any order", () => {
    const axes = fc.record({
      batch: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }),
      contract: fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 2 }),
      rows: fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 2 }),
      columns: fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 2 }),
      orders: fc.tuple(fc.infiniteStream(fc.nat()), fc.infiniteStream(fc.nat())),
    });
    const property = fc.property(axes, ({ batch, contract, rows, columns, orders }) => {
      const side = (free: readonly number[], order: Iterator<number>) => {
        const sizes = [...batch, ...contract, ...free];
        const rank = sizes.map((_, i) => ({ i, key: order.next().value as number })).sort((x, y) => x.key - y.key);
        const position = (role: number) => rank.findIndex(({ i }) => i === role);
        return {
          shape: rank.map(({ i }) => sizes[i]!),
          batch: batch.map((_, i) => position(i)),
          contract: contract.map((_, i) => position(batch.length + i)),
        };
      };
      const [left, right] = [side(rows, orders[0]), side(columns, orders[1])];
      const params = {
        lhsBatch: left.batch,
        rhsBatch: right.batch,
        lhsContract: left.contract,
        rhsContract: right.contract,
      };
      check({ lhs: left.shape, rhs: right.shape, params });
    });
    fc.assert(property, { numRuns: 200 });
  });

  it("multiplies integers, wrapping as they do", () => {
    check(product(5, 7, [9, "NT"]), { dtype: "i32" });
    check(product(3, 2, [4, "TN"]), { dtype: "i32" });
  });

  it("a sum of nothing is zero, and an empty result has no work", () => {
    check(product(3, 5, [0, "NN"]));
    expect(
      dotKernel({ relaxed: false })(
        [
          { shape: [0, 3], dtype: "f32" },
          { shape: [3, 4], dtype: "f32" },
        ],
        product(0, 4, [3, "NN"]).params,
      ).tiles,
    ).toBe(0);
  });
});
