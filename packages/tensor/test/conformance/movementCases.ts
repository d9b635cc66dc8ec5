/** Moving elements, alone and on top of each other; nothing may change on the way, not even the sign of a zero. */
import type { DType, Shape } from "@weft/tensor";
import { bind, reshape, transpose } from "@weft/tensor";
import type { Case } from "./case.ts";
import { exact, given, sample } from "./case.ts";

const dtypes: readonly DType[] = ["f32", "i32", "u32", "bool"];

const permutations: readonly (readonly [Shape, ...(readonly number[])[]])[] = [
  [
    [5, 17],
    [1, 0],
  ],
  [
    [33, 4],
    [1, 0],
  ],
  [
    [2, 3, 4],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ],
  [
    [2, 3, 4, 5],
    [0, 2, 1, 3],
    [0, 3, 1, 2],
    [3, 2, 1, 0],
    [2, 3, 0, 1],
  ],
  [
    [1, 5, 1],
    [1, 0, 2],
    [2, 1, 0],
  ],
  [
    [3, 0],
    [1, 0],
  ],
];

const broadcasts: readonly (readonly [Shape, Shape, readonly number[]])[] = [
  [[], [3, 4], []],
  [[5], [3, 5], [1]],
  [[5], [5, 3], [0]],
  [[1], [17], [0]],
  [
    [3, 1, 5],
    [3, 4, 5],
    [0, 1, 2],
  ],
  [
    [2, 3],
    [2, 7, 3, 4],
    [0, 2],
  ],
  [[4], [0, 4], [1]],
];

const slices: readonly (readonly [Shape, { start: number[]; stop: number[]; step: number[] }])[] = [
  [[17], { start: [3], stop: [16], step: [1] }],
  [[17], { start: [1], stop: [17], step: [3] }],
  [[6, 7], { start: [1, 2], stop: [5, 7], step: [2, 1] }],
  [[3, 4, 5], { start: [0, 1, 1], stop: [3, 2, 5], step: [1, 1, 2] }],
  [[5, 3], { start: [2, 0], stop: [2, 3], step: [1, 1] }],
];

const pads: readonly (readonly [Shape, { low: number[]; high: number[]; interior: number[] }])[] = [
  [[5], { low: [2], high: [1], interior: [0] }],
  [[5], { low: [0], high: [1], interior: [2] }],
  [[3, 4], { low: [1, 0], high: [0, 2], interior: [1, 0] }],
  [[2, 0], { low: [1, 2], high: [0, 1], interior: [0, 3] }],
  [[2, 3, 17], { low: [0, 1, 3], high: [0, 1, 2], interior: [0, 0, 1] }],
];

const perDType = dtypes.flatMap((dtype): Case[] => [
  {
    claim: `transposes of ${dtype}`,
    fn: (...xs) => xs.flatMap((x, i) => permutations[i]!.slice(1).map((order) => transpose(x, order as number[]))),
    inputs: [permutations.map(([shape]) => sample(shape, dtype, [0, 99]))],
  },
  {
    claim: `broadcasts of ${dtype}`,
    fn: (...xs) => xs.map((x, i) => bind("broadcast", [x], { shape: broadcasts[i]![1], axes: broadcasts[i]![2] })),
    inputs: [broadcasts.map(([shape]) => sample(shape, dtype, [0, 99]))],
  },
  {
    claim: `slices of ${dtype}`,
    fn: (...xs) => xs.map((x, i) => bind("slice", [x], slices[i]![1])),
    inputs: [slices.map(([shape]) => sample(shape, dtype, [0, 99]))],
  },
  {
    claim: `pads of ${dtype}, between and around`,
    fn: (fill, ...xs) => xs.map((x, i) => bind("pad", [x, fill], pads[i]![1])),
    inputs: [[sample([], dtype, [7, 9]), ...pads.map(([shape]) => sample(shape, dtype, [0, 99]))]],
  },
  {
    claim: `concat of ${dtype}`,
    fn: (a, b, c) => [
      bind("concat", [a, b], { axis: 1 }),
      bind("concat", [b, a, c, a], { axis: 1 }),
      bind("concat", [a, a], { axis: 0 }),
      bind("concat", [b], { axis: 0 }),
    ],
    inputs: [[sample([3, 5], dtype, [0, 99]), sample([3, 2], dtype, [0, 99]), sample([3, 0], dtype)]],
  },
  {
    claim: `reverse of ${dtype}`,
    fn: (a, b) => [
      bind("reverse", [a], { axes: [0] }),
      bind("reverse", [b], { axes: [1] }),
      bind("reverse", [b], { axes: [0, 2] }),
      bind("reverse", [b], { axes: [] }),
    ],
    inputs: [[sample([17], dtype, [0, 99]), sample([3, 4, 5], dtype, [0, 99])]],
  },
  {
    claim: `reshapes of ${dtype}, also of a transposed operand`,
    fn: (x) => [
      bind("reshape", [x], { shape: [12, 5] }),
      bind("reshape", [transpose(x, [2, 0, 1])], { shape: [60] }),
      transpose(reshape(x, [6, 10]), [1, 0]),
      reshape(bind("slice", [x], { start: [0, 1, 0], stop: [3, 3, 5], step: [1, 1, 1] }), [30]),
    ],
    inputs: [[sample([3, 4, 5], dtype, [0, 99])]],
  },
  {
    claim: `constant and iota of ${dtype}`,
    fn: () => [
      bind("constant", [], { shape: [3, 5], dtype, value: 1 }),
      bind("constant", [], { shape: [], dtype, value: 0 }),
      ...(dtype === "bool"
        ? []
        : [
            bind("iota", [], { shape: [17], dtype, axis: 0 }),
            bind("iota", [], { shape: [3, 4, 5], dtype, axis: 1 }),
            bind("iota", [], { shape: [0, 2], dtype, axis: 1 }),
          ]),
    ],
    inputs: [[]],
  },
]);

export const movementCases: readonly Case[] = [
  ...perDType.map((each) => ({ ...each, tolerance: exact, signedZero: true })),
  {
    claim: "movements of movements",
    fn: (x) => {
      const turned = transpose(x, [2, 1, 0]);
      const cut = bind("slice", [turned], { start: [1, 0, 0], stop: [5, 4, 3], step: [2, 1, 1] });
      const spread = bind("broadcast", [cut], { shape: [2, 4, 6, 3], axes: [0, 1, 3] });
      const flipped = bind("reverse", [spread], { axes: [1, 3] });
      const fill = bind("constant", [], { shape: [], dtype: x.dtype, value: -1 });
      const padding = { low: [0, 1, 0, 0], high: [1, 0, 0, 2], interior: [0, 0, 0, 1] };
      const padded = bind("pad", [flipped, fill], padding);
      return [flipped, padded, transpose(padded, [3, 1, 0, 2])];
    },
    inputs: [[sample([3, 4, 5])]],
    tolerance: exact,
    signedZero: true,
  },
  {
    claim: "movements that keep NaN, infinities and -0",
    fn: (x) => [
      transpose(reshape(x, [2, 3]), [1, 0]),
      bind("reverse", [x], { axes: [0] }),
      bind("concat", [x, x], { axis: 0 }),
    ],
    inputs: [[given([NaN, -0, 0, Infinity, -Infinity, 1e-40])]],
    tolerance: exact,
    signedZero: true,
  },
];
