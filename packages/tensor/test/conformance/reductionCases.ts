/** Reductions over every choice of axes, running sums, positions of maxima. */
import type { Shape } from "@weft/tensor";
import { bind, full, transpose } from "@weft/tensor";
import type { Case } from "./case.ts";
import { accumulated, exact, given, sample } from "./case.ts";

const reduced: readonly (readonly [Shape, ...(readonly number[])[]])[] = [
  [[1], [0], []],
  [[5], [0]],
  [[33], [0]],
  [[1000], [0]],
  [[17, 33], [0], [1], [0, 1]],
  [[3, 5, 4], [0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]],
  [
    [2, 3, 4, 5],
    [0, 2],
    [1, 3],
    [0, 3],
    [1, 2, 3],
  ],
  [[1, 7, 1], [0], [1], [2], [0, 2]],
  [[0], [0]],
  [[2, 0, 3], [0], [1], [2], [0, 1, 2]],
  [[64, 129], [0], [1]],
];

const dtypes = ["f32", "i32", "u32"] as const;

const sumsAndMaxima = (["sum", "reduceMax"] as const).flatMap((primitive) =>
  dtypes.flatMap((dtype) =>
    reduced.map(([shape, ...choices]): Case => ({
      claim: `${primitive} of ${dtype}[${shape.join()}] over each choice of axes`,
      fn: (x) => choices.map((axes) => bind(primitive, [x], { axes })),
      inputs: [[sample(shape, dtype, dtype === "u32" ? [0, 9] : [-9, 9])]],
      tolerance: primitive === "sum" ? { relative: 1e-5, absolute: 1e-4 } : exact,
    })),
  ),
);

const lines: readonly (readonly [Shape, number])[] = [
  [[1], 0],
  [[17], 0],
  [[5, 33], 1],
  [[5, 33], 0],
  [[3, 4, 5], 1],
  [[300], 0],
];

const positions = dtypes.map((dtype): Case => ({
  claim: `argmax of ${dtype}, the first of equal maxima`,
  fn: (...xs) => xs.map((x, i) => bind("argmax", [x], { axis: lines[i]![1] })),
  inputs: [lines.map(([shape]) => sample(shape, dtype, [0, 3]))].map((values) =>
    dtype === "f32" ? values.map((value) => ({ ...value, data: value.data.map(Math.round) })) : values,
  ),
}));

const runningSums = dtypes.flatMap((dtype) =>
  [false, true].map((reverse): Case => ({
    claim: `cumsum of ${dtype}${reverse ? " from the end" : ""}`,
    fn: (...xs) => xs.map((x, i) => bind("cumsum", [x], { axis: lines[i]![1], reverse })),
    inputs: [lines.map(([shape]) => sample(shape, dtype, dtype === "u32" ? [0, 9] : [-9, 9]))],
    tolerance: { relative: 1e-5, absolute: 1e-3 },
  })),
);

export const reductionCases: readonly Case[] = [
  ...sumsAndMaxima,
  ...positions,
  ...runningSums,
  {
    claim: "sums over transposed and broadcast operands",
    fn: (x, y) => [
      bind("sum", [transpose(x, [2, 0, 1])], { axes: [0, 2] }),
      bind("sum", [bind("broadcast", [y], { shape: [4, 5, 6], axes: [1] })], { axes: [1, 2] }),
      bind("reduceMax", [transpose(x, [1, 2, 0])], { axes: [1] }),
    ],
    inputs: [[sample([3, 4, 5]), sample([5])]],
    tolerance: accumulated,
  },
  {
    claim: "reduceMax and argmax with NaN and infinities",
    fn: (x) => [
      bind("reduceMax", [x], { axes: [1] }),
      bind("argmax", [x], { axis: 1 }),
      bind("reduceMax", [x], { axes: [0] }),
      bind("argmax", [x], { axis: 0 }),
    ],
    inputs: [
      [
        given(
          [1, NaN, 3, NaN, -Infinity, -Infinity, -Infinity, -Infinity, Infinity, 0, Infinity, 5, -1, -2, -3, NaN],
          "f32",
          [4, 4],
        ),
      ],
    ],
    tolerance: exact,
  },
  {
    claim: "sum with NaN and infinities",
    fn: (x) => bind("sum", [x], { axes: [1] }),
    inputs: [[given([1, NaN, 3, Infinity, -Infinity, 1, Infinity, 0, 2], "f32", [3, 3])]],
  },
  {
    claim: "reduceMax, argmax and sum of u32 past 2^31 and i32 below 0",
    fn: (u, i) =>
      [u, i].flatMap((x) => [
        bind("reduceMax", [x], { axes: [0] }),
        bind("argmax", [x], { axis: 0 }),
        bind("sum", [x], { axes: [0] }),
        bind("cumsum", [x], { axis: 0, reverse: false }),
      ]),
    inputs: [[given([1, 2 ** 31 + 5, 7, 2 ** 32 - 1, 3], "u32"), given([-5, -(2 ** 31), -3, -4, -9], "i32")]],
  },
  {
    claim: "the sum of a constant and of nothing",
    fn: (x) => [bind("sum", [full([7, 9], 0.5)], { axes: [1] }), bind("sum", [x], { axes: [] })],
    inputs: [[sample([3, 2])]],
  },
];
