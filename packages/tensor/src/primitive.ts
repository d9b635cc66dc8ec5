/**
 * The primitives: everything a Program can do, with the static parameters of each.
 *
 * Values are immutable and row-major. Elementwise primitives take operands of exactly equal shape: broadcasting is a
 * primitive of its own that the tensor face inserts. Layout is channels-last.
 */
import type { DType } from "./dtype.ts";

export type Shape = readonly number[];
/** Zeros added before and after an axis. */
export type PadPair = readonly [before: number, after: number];

/** Float → float, element by element (neg, abs, sign and identity also take integers). */
export const unaryNames = [
  "identity",
  "neg",
  "abs",
  "sign",
  "floor",
  "ceil",
  "round", // half to even
  "sqrt",
  "exp",
  "expm1",
  "log",
  "log1p",
  "sin",
  "cos",
  "tanh",
  "erf",
  "f16round", // to the nearest value of f16, in its own dtype
] as const;

/** Two operands of equal shape and dtype, element by element. */
export const binaryNames = [
  "add",
  "sub",
  "mul",
  "div", // integers: truncates towards zero; division by zero gives zero
  "rem", // sign of the dividend, as in C; integers: by zero gives zero
  "pow",
  "max", // a NaN operand gives NaN
  "min",
  "atan2",
] as const;

/** Bitwise on i32 and u32; `and`, `or` and `xor` also on bool. Shift counts are taken modulo 32. */
export const bitwiseNames = ["and", "or", "xor", "shiftLeft", "shiftRight"] as const;

export type UnaryPrimitive = (typeof unaryNames)[number];
export type BinaryPrimitive = (typeof binaryNames)[number];
export type BitwisePrimitive = (typeof bitwiseNames)[number];

/** `gt` and `ge` are `lt` and `le` with operands exchanged. Comparisons with NaN are false, `ne` true. */
export type Comparison = "eq" | "ne" | "lt" | "le";

/** Dimension numbers of a batched contraction; result axes: batch, then free axes of lhs, then of rhs, each in order. */
export interface DotParams {
  readonly lhsBatch: readonly number[];
  readonly rhsBatch: readonly number[];
  readonly lhsContract: readonly number[];
  readonly rhsContract: readonly number[];
}

/** One entry per spatial axis. Output channel o belongs to group floor(o / (out / groups)). The kernel is not flipped. */
export interface ConvParams {
  readonly strides: readonly number[];
  readonly padding: readonly PadPair[];
  readonly dilation: readonly number[];
  readonly groups: number;
}

/** One entry per axis of the operand, of size 1 where the axis is not windowed. */
export interface WindowParams {
  readonly window: readonly number[];
  readonly strides: readonly number[];
  readonly padding: readonly PadPair[];
}

/**
 * `operand` [B…, P…, n, Q…] indexed along `axis` by `indices` [B…, I…], where B are `batchDims` leading axes shared by both
 * (batchDims ≤ axis); the result is [B…, P…, I…, Q…]. Indices outside 0..n-1 are clamped.
 */
export interface IndexParams {
  readonly axis: number;
  readonly batchDims: number;
}

type NoParams = Readonly<Record<string, never>>;

/** Static parameters by primitive; `scan` and `call`, which hold Programs, join them in program.ts. */
export type PlainParams = { [P in UnaryPrimitive | BinaryPrimitive | BitwisePrimitive]: NoParams } & {
  /** A tensor filled with one number. */
  constant: { readonly shape: Shape; readonly dtype: DType; readonly value: number };
  /** Counts 0, 1, 2… along `axis`. */
  iota: { readonly shape: Shape; readonly dtype: DType; readonly axis: number };
  /** (key u32 [B…, 2]) → u32 [B…, ...shape]: threefry-2x32 of the key at counters 0, 1, 2… in row-major order (see random.ts). */
  randomBits: { readonly shape: Shape };
  /** Its operand, of any dtype; its gradient is zero. */
  stopGradient: NoParams;
  not: NoParams;
  compare: { readonly op: Comparison };
  /** (condition bool, x, y) → condition ? x : y, all of one shape. */
  select: NoParams;
  /** Float → integer truncates towards zero, saturates, and NaN gives 0; anything → bool is `≠ 0`. */
  cast: { readonly dtype: DType };
  /** Axes are sorted, without repeats, and disappear. An empty sum is 0. */
  sum: { readonly axes: readonly number[] };
  /** As `sum`; an empty maximum is -infinity (floats) or the smallest integer. NaN wins. */
  reduceMax: { readonly axes: readonly number[] };
  /** i32 index of the first maximum along `axis`, which disappears. */
  argmax: { readonly axis: number };
  /** Same element count, row-major order kept. */
  reshape: { readonly shape: Shape };
  /** Result axis i is operand axis permutation[i]. */
  transpose: { readonly permutation: readonly number[] };
  /** Operand axis i becomes result axis axes[i] (increasing), and must have its size or 1; other axes repeat. */
  broadcast: { readonly shape: Shape; readonly axes: readonly number[] };
  /** start ≤ index < stop, every step-th (step ≥ 1), per axis. */
  slice: { readonly start: readonly number[]; readonly stop: readonly number[]; readonly step: readonly number[] };
  /** (operand, scalar fill): `low` and `high` fill elements around, `interior` between neighbours, per axis; all ≥ 0. */
  pad: { readonly low: readonly number[]; readonly high: readonly number[]; readonly interior: readonly number[] };
  concat: { readonly axis: number };
  reverse: { readonly axes: readonly number[] };
  dot: DotParams;
  /** (x [N, …spatial, in], kernel [...spatial, in/groups, out]) → [N, …spatial', out]: cross-correlation. */
  conv: ConvParams;
  /** (dy [N, …spatial', out], kernel) → [N, ...inputSpatial, in]: the transpose of `conv` in x, also transposed convolution. */
  convInputGradient: ConvParams & { readonly inputSpatial: readonly number[] };
  /** (x, dy) → [...kernelSpatial, in/groups, out]: the transpose of `conv` in its kernel. */
  convKernelGradient: ConvParams & { readonly kernelSpatial: readonly number[] };
  /** Maximum of each window; padding counts as -infinity. */
  windowMax: WindowParams;
  /** Sum of each window; padding counts as 0. */
  windowSum: WindowParams;
  /** (x, dy [windows]) → shape of x: each dy added where its window of x has its first maximum. */
  windowScatter: WindowParams;
  /** (x, t of x's shape) → [windows]: t where each window of x has its first maximum. */
  windowGather: WindowParams;
  /** (operand, indices i32) → see IndexParams. */
  gather: IndexParams;
  /** (operand, indices i32, updates shaped as the gather's result) → operand with updates added; repeated indices add up. */
  scatterAdd: IndexParams;
  /** i32 order of elements along `axis`, stable; NaN last when ascending, first when descending. */
  argsort: { readonly axis: number; readonly descending: boolean };
  cumsum: { readonly axis: number; readonly reverse: boolean };
};

const isOneOf = (names: readonly string[]) => {
  const set = new Set(names);
  return (name: string) => set.has(name);
};
export const isUnary = isOneOf(unaryNames) as (name: string) => name is UnaryPrimitive;
export const isBinary = isOneOf(binaryNames) as (name: string) => name is BinaryPrimitive;
export const isBitwise = isOneOf(bitwiseNames) as (name: string) => name is BitwisePrimitive;
