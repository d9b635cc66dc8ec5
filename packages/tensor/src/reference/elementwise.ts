/** Reference kernels of the elementwise primitives. */
import type { DType } from "../dtype.ts";
import { isInteger } from "../dtype.ts";
import { f16round } from "../half.ts";
import type { BinaryPrimitive, BitwisePrimitive, Comparison, UnaryPrimitive } from "../primitive.ts";
import { erf } from "./erf.ts";
import type { ReferenceKernel } from "./kernel.ts";

type Elementwise = UnaryPrimitive | BinaryPrimitive | BitwisePrimitive | Other;
type Other = "stopGradient" | "not" | "compare" | "select" | "cast";

const unary: Readonly<Record<UnaryPrimitive, (x: number) => number>> = {
  identity: (x) => x,
  neg: (x) => -x,
  abs: Math.abs,
  sign: Math.sign,
  floor: Math.floor,
  ceil: Math.ceil,
  round: roundHalfToEven,
  sqrt: Math.sqrt,
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  log1p: Math.log1p,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  erf,
  f16round,
};

/** On integers these results are stored modulo 2³², which makes them wrap; a quotient by zero becomes 0. */
const binary: Readonly<Record<BinaryPrimitive, (x: number, y: number, dtype: DType) => number>> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y, dtype) => (isInteger(dtype) ? Math.imul(x, y) : x * y),
  div: (x, y, dtype) => (isInteger(dtype) ? Math.trunc(x / y) : x / y),
  rem: (x, y) => x % y,
  pow: (x, y) => x ** y,
  max: (x, y) => Math.max(x, y),
  min: (x, y) => Math.min(x, y),
  atan2: Math.atan2,
};

const bitwise: Readonly<Record<BitwisePrimitive, (x: number, y: number, dtype: DType) => number>> = {
  and: (x, y) => x & y,
  or: (x, y) => x | y,
  xor: (x, y) => x ^ y,
  shiftLeft: (x, y) => x << y,
  shiftRight: (x, y, dtype) => (dtype === "u32" ? x >>> y : x >> y),
};

const comparisons: Readonly<Record<Comparison, (x: number, y: number) => boolean>> = {
  eq: (x, y) => x === y,
  ne: (x, y) => x !== y,
  lt: (x, y) => x < y,
  le: (x, y) => x <= y,
};

export const elementwiseKernels = {
  ...kernelsOf(unary, unaryKernel),
  ...kernelsOf(binary, binaryKernel),
  ...kernelsOf(bitwise, binaryKernel),
  stopGradient: unaryKernel((x) => x),
  not: unaryKernel((x) => Number(x === 0)),
  compare: (results, operands, { op }) => {
    binaryKernel((x, y) => Number(comparisons[op](x, y)))(results, operands);
  },
  select: ([result], [condition, x, y]) => {
    for (let i = 0; i < result!.data.length; i++) result!.data[i] = condition!.data[i] ? x!.data[i]! : y!.data[i]!;
  },
  cast: ([result], [x]) => {
    const convert = conversion(x!.dtype, result!.dtype);
    for (let i = 0; i < result!.data.length; i++) result!.data[i] = convert(x!.data[i]!);
  },
} satisfies { readonly [P in Elementwise]: ReferenceKernel<P> };

function unaryKernel(fn: (x: number) => number): ReferenceKernel<UnaryPrimitive | "not" | "stopGradient"> {
  return ([result], [x]) => {
    for (let i = 0; i < result!.data.length; i++) result!.data[i] = fn(x!.data[i]!);
  };
}

function binaryKernel(fn: (x: number, y: number, dtype: DType) => number) {
  return ([result]: Parameters<ReferenceKernel<"add">>[0], [x, y]: Parameters<ReferenceKernel<"add">>[1]): void => {
    for (let i = 0; i < result!.data.length; i++) result!.data[i] = fn(x!.data[i]!, y!.data[i]!, x!.dtype);
  };
}

function kernelsOf<N extends string, F, K>(table: Readonly<Record<N, F>>, kernelOf: (fn: F) => K): Record<N, K> {
  const entries = Object.entries<F>(table).map(([name, fn]) => [name, kernelOf(fn)]);
  return Object.fromEntries(entries) as Record<N, K>;
}

/** By magnitude, so that -0.4 becomes -0. */
function roundHalfToEven(x: number): number {
  const magnitude = Math.abs(x);
  const below = Math.floor(magnitude);
  const up = magnitude - below === 0.5 ? below % 2 === 1 : magnitude - below > 0.5;
  return Math.sign(x) * (up ? below + 1 : below);
}

/** Floats saturate into integers, NaN becomes 0; integers wrap into each other when stored. */
function conversion(from: DType, to: DType): (x: number) => number {
  if (to === "bool") return (x) => Number(x !== 0);
  if (!isInteger(to) || isInteger(from) || from === "bool") return (x) => x;
  const [least, most] = to === "i32" ? [-(2 ** 31), 2 ** 31 - 1] : [0, 2 ** 32 - 1];
  return (x) => (Number.isNaN(x) ? 0 : Math.min(most, Math.max(least, Math.trunc(x))));
}
