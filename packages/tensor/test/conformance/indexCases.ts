/** Gather, scatter, sorting and random bits. */
import type { DType, IndexParams, Shape } from "@weft/tensor";
import { bind } from "@weft/tensor";
import type { Case } from "./case.ts";
import { accumulated, exact, given, sample } from "./case.ts";

/** Operand, indices, params, and the gathered shape. */
const places: readonly (readonly [string, Shape, Shape, IndexParams, Shape])[] = [
  ["rows of a table", [7, 5], [9], { axis: 0, batchDims: 0 }, [9, 5]],
  ["rows by a matrix of indices", [7, 4], [3, 2], { axis: 0, batchDims: 0 }, [3, 2, 4]],
  ["one row", [7, 17], [], { axis: 0, batchDims: 0 }, [17]],
  ["columns", [3, 7], [5], { axis: 1, batchDims: 0 }, [3, 5]],
  ["the middle axis", [2, 6, 3], [4], { axis: 1, batchDims: 0 }, [2, 4, 3]],
  ["elements of a vector", [33], [17], { axis: 0, batchDims: 0 }, [17]],
  ["one per row of a batch", [5, 8], [5], { axis: 1, batchDims: 1 }, [5]],
  ["several per row of a batch", [5, 8], [5, 3], { axis: 1, batchDims: 1 }, [5, 3]],
  ["slices per row of a batch", [3, 4, 5], [3, 2], { axis: 1, batchDims: 1 }, [3, 2, 5]],
  ["past an axis in between", [2, 3, 6], [2, 4], { axis: 2, batchDims: 1 }, [2, 3, 4]],
  ["two batch axes", [2, 3, 6, 2], [2, 3, 4], { axis: 2, batchDims: 2 }, [2, 3, 4, 2]],
  ["no indices", [4, 3], [0], { axis: 0, batchDims: 0 }, [0, 3]],
  ["slices of no elements", [4, 0], [3], { axis: 0, batchDims: 0 }, [3, 0]],
];

/** Indices past both ends are clamped. */
const indexRange = [-2, 9] as const;

const gatherCases = places.flatMap(([claim, shape, indices, params, gathered]): Case[] => [
  {
    claim: `gather of ${claim}`,
    fn: (x, i) => bind("gather", [x, i], params),
    inputs: (["f32", "i32", "u32", "bool"] as const).map((dtype) => [
      sample(shape, dtype, [0, 99]),
      sample(indices, "i32", indexRange),
    ]),
    tolerance: exact,
    signedZero: true,
  },
  {
    claim: `scatterAdd to ${claim}`,
    fn: (x, i, updates) => bind("scatterAdd", [x, i, updates], params),
    inputs: (["f32", "i32"] as const).map((dtype) => [
      sample(shape, dtype),
      sample(indices, "i32", indexRange),
      sample(gathered, dtype),
    ]),
    tolerance: accumulated,
  },
]);

const sorted: readonly (readonly [Shape, number])[] = [
  [[1], 0],
  [[17], 0],
  [[100], 0],
  [[4, 9], 1],
  [[9, 4], 0],
  [[2, 7, 3], 1],
  [[0], 0],
];

const sortCases = (["f32", "i32", "u32"] satisfies DType[]).flatMap((dtype) =>
  [false, true].map((descending): Case => ({
    claim: `argsort of ${dtype}, stable${descending ? ", descending" : ""}`,
    fn: (...xs) => xs.map((x, i) => bind("argsort", [x], { axis: sorted[i]![1], descending })),
    inputs: [
      sorted.map(([shape]) => {
        const value = sample(shape, dtype, dtype === "u32" ? [0, 6] : [-3, 3]);
        return { ...value, data: value.data.map(Math.round) };
      }),
      sorted.map(([shape]) => sample(shape, dtype, dtype === "u32" ? [0, 2 ** 32 - 1] : [-1e9, 1e9])),
    ],
  })),
);

const word = [0, 2 ** 32 - 1] as const;

export const indexCases: readonly Case[] = [
  ...gatherCases,
  ...sortCases,
  {
    claim: "argsort with NaN and infinities",
    fn: (x) => [false, true].map((descending) => bind("argsort", [x], { axis: 0, descending })),
    inputs: [[given([3, NaN, -Infinity, 0, -0, NaN, Infinity, 2, 3])]],
  },
  ...([[1], [2], [5], [17], [3, 5], [0], [256]] as const).map((shape): Case => ({
    claim: `randomBits of shape [${shape.join()}], bit for bit`,
    fn: (key) => bind("randomBits", [key], { shape }),
    inputs: [[given([0, 0], "u32")], [given([0xffffffff, 0xffffffff], "u32")], [sample([2], "u32", word)]],
  })),
  {
    claim: "randomBits of several keys, each its own stream",
    fn: (keys) => [bind("randomBits", [keys], { shape: [5] }), bind("randomBits", [keys], { shape: [] })],
    inputs: [[sample([3, 2], "u32", word)], [sample([2, 3, 2], "u32", word)], [sample([0, 2], "u32", word)]],
  },
];
