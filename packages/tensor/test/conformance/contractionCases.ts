/** Contractions in every layout, and convolutions with their two transposes. */
import type { ConvParams, DotParams, Shape } from "@weft/tensor";
import { bind, transpose } from "@weft/tensor";
import type { Case } from "./case.ts";
import { accumulated, sample } from "./case.ts";

const matrix = (lhsContract: number, rhsContract: number): DotParams => ({
  lhsBatch: [],
  rhsBatch: [],
  lhsContract: [lhsContract],
  rhsContract: [rhsContract],
});

const layouts: readonly (readonly [string, DotParams])[] = [
  ["NN", matrix(1, 0)],
  ["NT", matrix(1, 1)],
  ["TN", matrix(0, 0)],
  ["TT", matrix(0, 1)],
];

const sizes: readonly (readonly [m: number, k: number, n: number])[] = [
  [1, 1, 1],
  [1, 17, 5],
  [5, 1, 17],
  [17, 33, 1],
  [4, 8, 8],
  [5, 7, 9],
  [17, 33, 18],
  [33, 65, 34],
  [64, 20, 48],
  [3, 300, 10],
  [0, 4, 3],
  [4, 0, 3],
  [4, 3, 0],
];

const matrixCases = layouts.flatMap(([layout, params]) =>
  (["f32", "i32"] as const).map((dtype): Case => ({
    claim: `dot of ${dtype} matrices, ${layout}`,
    fn: (x, y) => bind("dot", [x, y], params),
    inputs: sizes.map(([m, k, n]) => [
      sample(params.lhsContract[0] === 1 ? [m, k] : [k, m], dtype),
      sample(params.rhsContract[0] === 0 ? [k, n] : [n, k], dtype),
    ]),
    tolerance: accumulated,
  })),
);

/** Shapes of both sides and the axes. */
const general: readonly (readonly [string, Shape, Shape, DotParams])[] = [
  ["inner product", [33], [33], matrix(0, 0)],
  ["outer product", [5], [17], { lhsBatch: [], rhsBatch: [], lhsContract: [], rhsContract: [] }],
  ["matrix times vector", [17, 33], [33], matrix(1, 0)],
  ["vector times matrix", [33], [33, 17], matrix(0, 0)],
  ["batched matmul", [3, 5, 7], [3, 7, 6], { lhsBatch: [0], rhsBatch: [0], lhsContract: [2], rhsContract: [1] }],
  [
    "batched, right transposed",
    [3, 5, 7],
    [3, 6, 7],
    { lhsBatch: [0], rhsBatch: [0], lhsContract: [2], rhsContract: [2] },
  ],
  [
    "batched, left transposed",
    [3, 7, 5],
    [3, 7, 6],
    { lhsBatch: [0], rhsBatch: [0], lhsContract: [1], rhsContract: [1] },
  ],
  [
    "attention scores: batch and heads",
    [2, 9, 3, 8],
    [2, 7, 3, 8],
    { lhsBatch: [0, 2], rhsBatch: [0, 2], lhsContract: [3], rhsContract: [3] },
  ],
  [
    "batch axes that are not leading",
    [7, 4, 5],
    [6, 7, 4],
    { lhsBatch: [1], rhsBatch: [2], lhsContract: [0], rhsContract: [1] },
  ],
  [
    "batch axes in another order",
    [2, 3, 5],
    [3, 2, 5],
    { lhsBatch: [0, 1], rhsBatch: [1, 0], lhsContract: [2], rhsContract: [2] },
  ],
  [
    "batched products without contraction",
    [4, 3],
    [4, 5],
    { lhsBatch: [0], rhsBatch: [0], lhsContract: [], rhsContract: [] },
  ],
  [
    "two contracted axes",
    [4, 5, 6],
    [5, 6, 7],
    { lhsBatch: [], rhsBatch: [], lhsContract: [1, 2], rhsContract: [0, 1] },
  ],
  [
    "two contracted axes, crossed",
    [4, 5, 6],
    [6, 5, 7],
    { lhsBatch: [], rhsBatch: [], lhsContract: [1, 2], rhsContract: [1, 0] },
  ],
  [
    "gradient of a batched dense layer",
    [4, 9, 6],
    [4, 9, 5],
    { lhsBatch: [], rhsBatch: [], lhsContract: [0, 1], rhsContract: [0, 1] },
  ],
  [
    "more free axes on both sides",
    [2, 3, 4],
    [4, 5, 2],
    { lhsBatch: [], rhsBatch: [], lhsContract: [2], rhsContract: [0] },
  ],
  ["contraction of the middle axis", [5, 17, 3], [17, 4], matrix(1, 0)],
  ["everything contracted", [3, 4], [4, 3], { lhsBatch: [], rhsBatch: [], lhsContract: [0, 1], rhsContract: [1, 0] }],
  ["only batch", [6], [6], { lhsBatch: [0], rhsBatch: [0], lhsContract: [], rhsContract: [] }],
];

const generalCases = general.map(([claim, left, right, params]): Case => ({
  claim: `dot: ${claim}`,
  fn: (x, y) => bind("dot", [x, y], params),
  inputs: [[sample(left), sample(right)]],
  tolerance: accumulated,
}));

interface ConvCase {
  readonly claim: string;
  readonly x: Shape;
  readonly kernel: Shape;
  readonly params?: Partial<ConvParams>;
}

const convolutions: readonly ConvCase[] = [
  { claim: "3×3", x: [2, 7, 6, 3], kernel: [3, 3, 3, 4] },
  { claim: "one channel into 32", x: [2, 8, 8, 1], kernel: [3, 3, 1, 32] },
  { claim: "odd channel counts", x: [1, 5, 5, 5], kernel: [2, 3, 5, 17] },
  {
    claim: "5×5, same padding",
    x: [2, 7, 7, 4],
    kernel: [5, 5, 4, 8],
    params: {
      padding: [
        [2, 2],
        [2, 2],
      ],
    },
  },
  {
    claim: "stride 2, uneven padding",
    x: [2, 8, 7, 3],
    kernel: [3, 3, 3, 5],
    params: {
      strides: [2, 2],
      padding: [
        [0, 1],
        [1, 0],
      ],
    },
  },
  { claim: "unequal strides", x: [1, 9, 8, 2], kernel: [2, 3, 2, 3], params: { strides: [3, 2] } },
  { claim: "dilation", x: [1, 9, 9, 2], kernel: [3, 2, 2, 3], params: { dilation: [2, 3] } },
  {
    claim: "stride, dilation and padding",
    x: [2, 8, 9, 3],
    kernel: [3, 3, 3, 4],
    params: {
      strides: [2, 1],
      dilation: [1, 2],
      padding: [
        [1, 2],
        [3, 0],
      ],
    },
  },
  { claim: "1×1", x: [2, 4, 5, 7], kernel: [1, 1, 7, 9] },
  { claim: "1×1, stride 2", x: [2, 5, 5, 3], kernel: [1, 1, 3, 4], params: { strides: [2, 2] } },
  { claim: "kernel of the whole image", x: [3, 4, 4, 2], kernel: [4, 4, 2, 5] },
  {
    claim: "two groups",
    x: [2, 5, 5, 4],
    kernel: [3, 3, 2, 6],
    params: {
      groups: 2,
      padding: [
        [1, 1],
        [1, 1],
      ],
    },
  },
  { claim: "depthwise", x: [2, 6, 5, 5], kernel: [3, 3, 1, 5], params: { groups: 5 } },
  {
    claim: "depthwise, two results per channel",
    x: [1, 6, 6, 3],
    kernel: [3, 3, 1, 6],
    params: { groups: 3, strides: [2, 2] },
  },
  {
    claim: "more padding than image",
    x: [1, 2, 2, 2],
    kernel: [3, 3, 2, 3],
    params: {
      padding: [
        [3, 3],
        [2, 4],
      ],
    },
  },
  { claim: "empty batch", x: [0, 5, 5, 2], kernel: [3, 3, 2, 3] },
  { claim: "one dimension", x: [2, 17, 3], kernel: [5, 3, 4] },
  {
    claim: "one dimension, causal and dilated",
    x: [2, 12, 4],
    kernel: [3, 4, 6],
    params: { padding: [[4, 0]], dilation: [2] },
  },
  {
    claim: "one dimension, groups and stride",
    x: [2, 11, 4],
    kernel: [4, 2, 6],
    params: { groups: 2, strides: [3], padding: [[1, 1]] },
  },
];

const convCases = convolutions.flatMap(({ claim, x, kernel, params = {} }): Case[] => {
  const rank = x.length - 2;
  const full: ConvParams = {
    strides: params.strides ?? Array.from({ length: rank }, () => 1),
    padding: params.padding ?? Array.from({ length: rank }, () => [0, 0]),
    dilation: params.dilation ?? Array.from({ length: rank }, () => 1),
    groups: params.groups ?? 1,
  };
  const spatial = x.slice(1, -1).map((size, i) => {
    const extent = (kernel[i]! - 1) * full.dilation[i]! + 1;
    return Math.floor((size + full.padding[i]![0] + full.padding[i]![1] - extent) / full.strides[i]!) + 1;
  });
  const y = [x[0]!, ...spatial, kernel.at(-1)!];
  return [
    {
      claim: `conv: ${claim}`,
      fn: (image, weights) => bind("conv", [image, weights], full),
      inputs: [[sample(x), sample(kernel)]],
      tolerance: accumulated,
    },
    {
      claim: `convInputGradient: ${claim}`,
      fn: (dy, weights) => bind("convInputGradient", [dy, weights], { ...full, inputSpatial: x.slice(1, -1) }),
      inputs: [[sample(y), sample(kernel)]],
      tolerance: accumulated,
    },
    {
      claim: `convKernelGradient: ${claim}`,
      fn: (image, dy) => bind("convKernelGradient", [image, dy], { ...full, kernelSpatial: kernel.slice(0, -2) }),
      inputs: [[sample(x), sample(y)]],
      tolerance: accumulated,
    },
  ];
});

export const contractionCases: readonly Case[] = [
  ...matrixCases,
  ...generalCases,
  {
    claim: "dot of operands that were transposed, sliced and broadcast before",
    fn: (x, y, z) => {
      const turned = transpose(x, [1, 0]);
      const cut = bind("slice", [y], { start: [1, 0], stop: [13, 9], step: [2, 1] });
      const spread = bind("broadcast", [z], { shape: [6, 5], axes: [1] });
      return [bind("dot", [turned, cut], matrix(1, 0)), bind("dot", [spread, cut], matrix(0, 0))];
    },
    inputs: [[sample([6, 7]), sample([14, 9]), sample([5])]],
    tolerance: accumulated,
  },
  ...convCases,
];
