/** Small uses of every primitive, typed over all of them: what gradient, batching and encoding tests run on. */
import type { DType, Primitive, PrimitiveParams, Program, ScanParams, Shape, TensorType } from "@weft/tensor";
import { bind, bitwiseNames, trace, typeText, unaryNames } from "@weft/tensor";

/** An operand: its type, and what its elements are drawn from. */
export interface Operand extends TensorType {
  readonly draw: (random: () => number) => number;
}

export interface Sample<P extends Primitive> {
  readonly inputs: readonly Operand[];
  readonly params: PrimitiveParams[P];
  /** Operands that are not differentiated numerically here, because the function is not smooth in them. */
  readonly rough?: readonly number[];
}

const real = (shape: Shape, low = -2, high = 2): Operand => ({
  shape,
  dtype: "f64",
  draw: (random) => low + (high - low) * random(),
});
/** Clear of whole and half numbers, where rounding jumps. */
const between = (shape: Shape): Operand => ({
  shape,
  dtype: "f64",
  draw: (random) => Math.floor(random() * 6 - 3) + 0.1 + 0.3 * random() + (random() < 0.5 ? 0.5 : 0),
});
const whole = (shape: Shape, limit: number, dtype: DType = "i32"): Operand => ({
  shape,
  dtype,
  draw: (random) => Math.floor(random() * limit),
});
const bool = (shape: Shape): Operand => whole(shape, 2, "bool");
const scalar = real([]);

const shapes: readonly Shape[] = [[2, 3], [1, 1], [], [0, 3]];

type Draw = (shape: Shape) => Operand;
const unary = (draw: Draw = real) => shapes.map((shape) => ({ inputs: [draw(shape)], params: {} }));
const binary = (x: Draw = real, y: Draw = x) => shapes.map((shape) => ({ inputs: [x(shape), y(shape)], params: {} }));
const positive: Draw = (shape) => real(shape, 0.3, 3);
const bits: Draw = (shape) => whole(shape, 1000);

const tableOf = <N extends string, R>(names: readonly N[], entry: R) =>
  Object.fromEntries(names.map((name) => [name, entry])) as Record<N, R>;

const flat = (shape: Shape, axes: readonly number[]) => ({ inputs: [real(shape)], params: { axes } });
const window2d = {
  window: [1, 2, 3, 1],
  strides: [1, 2, 1, 1],
  padding: [
    [0, 0],
    [1, 0],
    [1, 2],
    [0, 0],
  ],
} as const;
const wide = {
  window: [2, 3],
  strides: [2, 1],
  padding: [
    [0, 1],
    [2, 2],
  ],
} as const;
/** More padding than window: some windows see nothing. */
const loose = { window: [2], strides: [1], padding: [[3, 4]] } as const;

const conv1 = { strides: [1], padding: [[0, 0]], dilation: [1], groups: 1 } as const;
const conv2 = {
  strides: [2, 1],
  padding: [
    [1, 0],
    [2, 1],
  ],
  dilation: [1, 2],
  groups: 1,
} as const;
const conv2grouped = {
  strides: [1, 2],
  padding: [
    [0, 0],
    [1, 1],
  ],
  dilation: [1, 1],
  groups: 2,
} as const;

const byRows = { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] };
const vectorMatrix = { lhsBatch: [], rhsBatch: [], lhsContract: [0], rhsContract: [0] };

/** (constants w, b; carry h, count; slice x) → (h, count; y): the step computes with an integer that it counts up. */
const cell: Program = trace(
  (w, b, h, count, x) => {
    const mixed = bind("dot", [h, w], vectorMatrix).add(x.mul(b)).tanh();
    return [mixed, count.add(1), mixed.mul(count.cast("f64")).sum()];
  },
  [real([3, 3]), real([3]), real([3]), whole([], 3), real([3])],
);
/** The total so far, and it again at each step: no constants. */
const runningProduct: Program = trace(
  (total, x) => {
    return [total.mul(x), total];
  },
  [scalar, scalar],
);
/** No carry, one constant, two results. */
const mapping: Program = trace(
  (scale, x) => {
    return [x.mul(scale), x.sin()];
  },
  [scalar, real([2])],
);
const cellOperands = [real([3, 3]), real([3]), real([3]), whole([], 3), real([4, 3])];
/** (x, w) → (x·w, how many of x are positive), with the gradient that it has anyway, written out. */
const ownGradient = {
  body: trace((x, w) => [bind("dot", [x, w], byRows), x.greater(0).cast("i32").sum()], [real([2, 3]), real([3])]),
  backward: trace(
    (x, w, _product, _count, dy) => [
      bind("dot", [dy, w], { lhsBatch: [], rhsBatch: [], lhsContract: [], rhsContract: [] }),
      bind("dot", [dy, x], vectorMatrix),
    ],
    [real([2, 3]), real([3]), real([2]), whole([], 3), real([2])],
  ),
};
const loop = (body: Program, params: Partial<ScanParams>): ScanParams => ({
  body,
  length: 4,
  constants: 0,
  carry: 0,
  reverse: false,
  ...params,
});

export const samples: { readonly [P in Primitive]: readonly Sample<P>[] } = {
  ...tableOf(unaryNames, unary()),
  // the gradient of a cast there and back: what the steps are a rounding of has the slope 1
  f16round: shapes.map((shape) => ({ inputs: [real(shape)], params: {}, rough: [0] })),
  sqrt: unary(positive),
  log: unary(positive),
  log1p: unary((shape) => real(shape, -0.6, 2)),
  sign: unary(between),
  floor: unary(between),
  ceil: unary(between),
  round: unary(between),
  add: binary(),
  sub: binary(),
  mul: binary(),
  div: binary(real, positive),
  rem: binary(between, positive),
  pow: [
    ...binary(positive, real),
    // a negative base with whole exponents, 0, 1 and 2 among them: smooth in the base only
    { inputs: [real([6], -2, -0.5), { ...whole([6], 4), dtype: "f64" }], params: {}, rough: [1] },
  ],
  max: binary(),
  min: binary(),
  atan2: binary(),
  ...tableOf(bitwiseNames, binary(bits)),
  shiftLeft: binary(bits, (shape) => whole(shape, 31)),
  shiftRight: binary(bits, (shape) => whole(shape, 31)),
  stopGradient: [{ inputs: [bool([2, 3])], params: {} }],
  not: [{ inputs: [bool([2, 3])], params: {} }],
  compare: (["eq", "ne", "lt", "le"] as const).map((op) => ({ inputs: [real([2, 3]), real([2, 3])], params: { op } })),
  select: shapes.map((shape) => ({ inputs: [bool(shape), real(shape), real(shape)], params: {} })),
  cast: [
    { inputs: [real([2, 3])], params: { dtype: "i32" } },
    { inputs: [whole([2, 3], 9)], params: { dtype: "f64" } },
    { inputs: [real([2, 3])], params: { dtype: "f64" } },
    { inputs: [bool([2])], params: { dtype: "f64" } },
  ],
  constant: [{ inputs: [], params: { shape: [2, 3], dtype: "f64", value: 1.5 } }],
  iota: [{ inputs: [], params: { shape: [2, 3], dtype: "i32", axis: 1 } }],
  randomBits: [
    { inputs: [whole([2], 2 ** 32, "u32")], params: { shape: [2, 3] } },
    { inputs: [whole([3, 2], 2 ** 32, "u32")], params: { shape: [] } },
  ],
  sum: [flat([2, 3, 2], [0, 2]), flat([2, 3], []), flat([2, 1], [1]), flat([0, 3], [0]), flat([], [])],
  reduceMax: [flat([2, 3, 2], [0, 2]), flat([2, 3], []), flat([2, 1], [1]), flat([0, 3], [1]), flat([3], [0])],
  argmax: [
    { inputs: [real([2, 3])], params: { axis: 0 } },
    { inputs: [real([2, 1])], params: { axis: 1 } },
  ],
  argsort: [{ inputs: [real([2, 4])], params: { axis: 1, descending: true } }],
  cumsum: [
    { inputs: [real([2, 3])], params: { axis: 1, reverse: false } },
    { inputs: [real([3, 2])], params: { axis: 0, reverse: true } },
    { inputs: [real([0, 2])], params: { axis: 0, reverse: false } },
  ],
  reshape: [
    { inputs: [real([2, 3])], params: { shape: [3, 1, 2] } },
    { inputs: [real([1, 1])], params: { shape: [] } },
    { inputs: [real([0, 3])], params: { shape: [2, 0] } },
  ],
  transpose: [
    { inputs: [real([2, 1, 3])], params: { permutation: [2, 0, 1] } },
    { inputs: [real([0, 3])], params: { permutation: [1, 0] } },
  ],
  broadcast: [
    { inputs: [real([3])], params: { shape: [2, 3, 2], axes: [1] } },
    { inputs: [real([2, 1])], params: { shape: [2, 3], axes: [0, 1] } },
    { inputs: [scalar], params: { shape: [2, 2], axes: [] } },
    { inputs: [real([1, 1])], params: { shape: [1, 4, 3], axes: [0, 2] } },
    { inputs: [real([3])], params: { shape: [0, 3], axes: [1] } },
    { inputs: [real([1])], params: { shape: [0], axes: [0] } },
  ],
  slice: [
    { inputs: [real([5, 4])], params: { start: [1, 0], stop: [5, 4], step: [2, 3] } },
    { inputs: [real([3, 2])], params: { start: [2, 0], stop: [2, 2], step: [1, 1] } },
    { inputs: [real([4])], params: { start: [1], stop: [2], step: [5] } },
  ],
  pad: [
    { inputs: [real([2, 3]), scalar], params: { low: [1, 0], high: [0, 2], interior: [1, 2] } },
    { inputs: [real([0, 2]), scalar], params: { low: [1, 0], high: [2, 0], interior: [3, 0] } },
    { inputs: [scalar, scalar], params: { low: [], high: [], interior: [] } },
  ],
  concat: [
    { inputs: [real([2, 2]), real([2, 1]), real([2, 3])], params: { axis: 1 } },
    { inputs: [real([0, 2]), real([1, 2])], params: { axis: 0 } },
  ],
  reverse: [
    { inputs: [real([2, 3])], params: { axes: [0, 1] } },
    { inputs: [real([2, 0])], params: { axes: [] } },
  ],
  dot: [
    {
      inputs: [real([2, 3]), real([3, 4])],
      params: { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] },
    },
    {
      inputs: [real([3, 2, 4]), real([4, 5, 3])],
      params: { lhsBatch: [0], rhsBatch: [2], lhsContract: [2], rhsContract: [0] },
    },
    {
      inputs: [real([2, 3, 2, 2]), real([2, 2, 3])],
      params: { lhsBatch: [3], rhsBatch: [1], lhsContract: [1, 2], rhsContract: [2, 0] },
    },
    { inputs: [real([2]), real([3])], params: { lhsBatch: [], rhsBatch: [], lhsContract: [], rhsContract: [] } },
    { inputs: [real([2, 0]), real([0, 3])], params: { ...vectorMatrix, lhsContract: [1] } },
  ],
  conv: [
    { inputs: [real([2, 4, 2]), real([3, 2, 2])], params: conv1 },
    { inputs: [real([1, 4, 3, 2]), real([2, 2, 2, 3])], params: conv2 },
    { inputs: [real([2, 3, 3, 4]), real([2, 3, 2, 2])], params: conv2grouped },
    { inputs: [real([0, 4, 2]), real([3, 2, 2])], params: conv1 },
  ],
  convInputGradient: [
    { inputs: [real([2, 2, 2]), real([3, 2, 2])], params: { ...conv1, inputSpatial: [4] } },
    { inputs: [real([1, 2, 4, 3]), real([2, 2, 2, 3])], params: { ...conv2, inputSpatial: [4, 3] } },
    { inputs: [real([2, 2, 2, 2]), real([2, 3, 2, 2])], params: { ...conv2grouped, inputSpatial: [3, 3] } },
  ],
  convKernelGradient: [
    { inputs: [real([2, 4, 2]), real([2, 2, 2])], params: { ...conv1, kernelSpatial: [3] } },
    { inputs: [real([1, 4, 3, 2]), real([1, 2, 4, 3])], params: { ...conv2, kernelSpatial: [2, 2] } },
    { inputs: [real([2, 3, 3, 4]), real([2, 2, 2, 2])], params: { ...conv2grouped, kernelSpatial: [2, 3] } },
  ],
  windowMax: [
    { inputs: [real([2, 4, 3, 2])], params: window2d },
    { inputs: [real([3, 2])], params: wide },
  ],
  windowSum: [
    { inputs: [real([2, 4, 3, 2])], params: window2d },
    { inputs: [real([3, 2])], params: wide },
    { inputs: [real([2])], params: loose },
    {
      inputs: [real([0, 2])],
      params: {
        window: [1, 2],
        strides: [1, 1],
        padding: [
          [0, 0],
          [0, 0],
        ],
      },
    },
  ],
  windowScatter: [
    { inputs: [real([2, 4, 3, 2]), real([2, 2, 4, 2])], params: window2d },
    { inputs: [real([3, 2]), real([2, 4])], params: wide },
  ],
  windowGather: [
    { inputs: [real([2, 4, 3, 2]), real([2, 4, 3, 2])], params: window2d },
    { inputs: [real([3, 2]), real([3, 2])], params: wide },
  ],
  gather: [
    { inputs: [real([4, 3]), whole([2, 2], 4)], params: { axis: 0, batchDims: 0 } },
    { inputs: [real([2, 3, 4]), whole([5], 4)], params: { axis: 2, batchDims: 0 } },
    { inputs: [real([2, 3, 4, 2]), whole([2, 3], 4)], params: { axis: 2, batchDims: 1 } },
    { inputs: [real([2, 3]), whole([2, 3], 3)], params: { axis: 1, batchDims: 1 } },
    { inputs: [real([3]), whole([], 3)], params: { axis: 0, batchDims: 0 } },
    { inputs: [real([3]), whole([0], 3)], params: { axis: 0, batchDims: 0 } },
  ],
  scatterAdd: [
    { inputs: [real([4, 3]), whole([2, 2], 4), real([2, 2, 3])], params: { axis: 0, batchDims: 0 } },
    { inputs: [real([2, 3, 4]), whole([5], 4), real([2, 3, 5])], params: { axis: 2, batchDims: 0 } },
    { inputs: [real([2, 3, 4, 2]), whole([2, 3], 4), real([2, 3, 3, 2])], params: { axis: 2, batchDims: 1 } },
  ],
  scan: [
    { inputs: cellOperands, params: loop(cell, { constants: 2, carry: 2 }) },
    { inputs: cellOperands, params: loop(cell, { constants: 2, carry: 2, reverse: true }) },
    { inputs: [scalar, real([4])], params: loop(runningProduct, { carry: 1 }) },
    { inputs: [scalar, real([4, 2])], params: loop(mapping, { constants: 1 }) },
    { inputs: [scalar, real([0])], params: loop(runningProduct, { carry: 1, length: 0 }) },
  ],
  call: [
    { inputs: cellOperands.with(4, real([3])), params: { body: cell, recompute: true } },
    { inputs: cellOperands.with(4, real([3])), params: { body: cell, recompute: false } },
    { inputs: [real([2, 3]), real([3])], params: { ...ownGradient, recompute: false } },
    { inputs: [real([2, 3]), real([3])], params: { ...ownGradient, recompute: true } },
  ],
};

/** Numbers in [0, 1), the same for the same seed. */
export function seeded(seed: number): () => number {
  let state = (seed + 1) * 2654435761;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 0x9e3779b9) | 0;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
  };
}

/** Every sample with its primitive and a name. */
export function allSamples(): { name: string; primitive: Primitive; sample: Sample<Primitive> }[] {
  return (Object.keys(samples) as Primitive[]).flatMap((primitive) =>
    (samples[primitive] as readonly Sample<Primitive>[]).map((sample) => ({
      name: `${primitive}(${sample.inputs.map(typeText).join(", ")})`,
      primitive,
      sample,
    })),
  );
}
