/** Windowed maxima and sums, and the two transposes of the maximum. */
import type { Shape, WindowParams } from "@weft/tensor";
import { bind } from "@weft/tensor";
import type { Case, Value } from "./case.ts";
import { accumulated, exact, given, sample } from "./case.ts";

const window2d = (size: number, stride: number, pads: readonly [number, number] = [0, 0]): WindowParams => ({
  window: [1, size, size, 1],
  strides: [1, stride, stride, 1],
  padding: [[0, 0], pads, pads, [0, 0]],
});

const windows: readonly (readonly [string, Shape, WindowParams])[] = [
  ["2×2, stride 2", [2, 6, 8, 3], window2d(2, 2)],
  ["2×2, stride 2, a row and column left over", [2, 7, 9, 5], window2d(2, 2)],
  ["3×3, stride 2, padded", [2, 7, 7, 4], window2d(3, 2, [1, 1])],
  ["3×3, overlapping", [1, 6, 6, 17], window2d(3, 1)],
  ["3×3, stride 1, uneven padding", [1, 5, 5, 2], window2d(3, 1, [2, 0])],
  ["windows wholly in the padding", [1, 2, 2, 2], window2d(2, 2, [2, 2])],
  ["stride past the window", [1, 9, 9, 3], window2d(2, 4)],
  ["one cell", [2, 3, 3, 2], window2d(1, 1)],
  [
    "one dimension",
    [2, 11, 3],
    {
      window: [1, 3, 1],
      strides: [1, 2, 1],
      padding: [
        [0, 0],
        [1, 1],
        [0, 0],
      ],
    },
  ],
  [
    "over batch and channels too",
    [4, 5, 6],
    {
      window: [2, 2, 3],
      strides: [2, 1, 2],
      padding: [
        [0, 0],
        [1, 0],
        [0, 1],
      ],
    },
  ],
  [
    "the whole axis",
    [3, 7],
    {
      window: [1, 7],
      strides: [1, 1],
      padding: [
        [0, 0],
        [0, 0],
      ],
    },
  ],
  ["empty batch", [0, 4, 4, 2], window2d(2, 2)],
];

const countOf = (shape: Shape, { window, strides, padding }: WindowParams): Shape =>
  shape.map((size, i) => Math.floor((size + padding[i]![0] + padding[i]![1] - window[i]!) / strides[i]!) + 1);

/** Few different values, so that windows have several maxima. */
const tied = (shape: Shape): Value => {
  const value = sample(shape, "f32", [0, 3]);
  return { ...value, data: value.data.map(Math.round) };
};

export const windowCases: readonly Case[] = windows
  .flatMap(([claim, shape, params]): Case[] => [
    {
      claim: `windowMax: ${claim}`,
      fn: (x) => bind("windowMax", [x], params),
      inputs: [[sample(shape)], [sample(shape, "i32", [-9, 9])]],
      tolerance: exact,
    },
    {
      claim: `windowSum: ${claim}`,
      fn: (x) => bind("windowSum", [x], params),
      inputs: [[sample(shape)], [sample(shape, "i32", [-9, 9])]],
      tolerance: accumulated,
    },
    {
      claim: `windowScatter to the first maximum: ${claim}`,
      fn: (x, dy) => bind("windowScatter", [x, dy], params),
      inputs: [sample, tied].map((make) => [make(shape), sample(countOf(shape, params))]),
      tolerance: accumulated,
    },
    {
      claim: `windowGather from the first maximum: ${claim}`,
      fn: (x, t) => bind("windowGather", [x, t], params),
      inputs: [sample, tied].map((make) => [make(shape), sample(shape)]),
      tolerance: exact,
    },
  ])
  .concat({
    claim: "windows with NaN, infinities and -infinity alone",
    fn: (x, t) => {
      const params: WindowParams = { window: [2], strides: [2], padding: [[0, 0]] };
      return [
        bind("windowMax", [x], params),
        bind("windowSum", [x], params),
        bind("windowGather", [x, t], params),
        bind("windowScatter", [x, bind("windowSum", [t], params)], params),
      ];
    },
    inputs: [[given([1, NaN, NaN, 1, -Infinity, -Infinity, Infinity, 0, NaN, NaN]), sample([10])]],
    tolerance: { relative: 1e-6, absolute: 1e-6 },
  });
