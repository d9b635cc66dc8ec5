/** Elementwise arithmetic and elementary functions. */
import type { TensorLike } from "../create.ts";
import { full } from "../create.ts";
import type { DType } from "../dtype.ts";
import type { Tensor } from "../graph.ts";
import { bind } from "../graph.ts";
import type { BinaryPrimitive, UnaryPrimitive } from "../primitive.ts";
import { pair } from "./broadcast.ts";

const unary = (primitive: UnaryPrimitive) => (x: Tensor) => bind(primitive, [x], {});
const binary = (primitive: BinaryPrimitive, name: string) => (x: Tensor, y: TensorLike) =>
  bind(primitive, pair(name, x, y), {});

export const neg: (x: Tensor) => Tensor = unary("neg");
export const abs: (x: Tensor) => Tensor = unary("abs");
/** `x` itself, which counts as a constant wherever a gradient is taken. */
export const stopGradient = (x: Tensor): Tensor => bind("stopGradient", [x], {});
/** -1, 0 or 1. */
export const sign: (x: Tensor) => Tensor = unary("sign");
export const floor: (x: Tensor) => Tensor = unary("floor");
export const ceil: (x: Tensor) => Tensor = unary("ceil");
/** To the nearest whole number, halves to the even one. */
export const round: (x: Tensor) => Tensor = unary("round");
export const sqrt: (x: Tensor) => Tensor = unary("sqrt");
export const exp: (x: Tensor) => Tensor = unary("exp");
/** e^x - 1, accurate near 0. */
export const expm1: (x: Tensor) => Tensor = unary("expm1");
export const log: (x: Tensor) => Tensor = unary("log");
/** log(1 + x), accurate near 0. */
export const log1p: (x: Tensor) => Tensor = unary("log1p");
export const sin: (x: Tensor) => Tensor = unary("sin");
export const cos: (x: Tensor) => Tensor = unary("cos");
export const tanh: (x: Tensor) => Tensor = unary("tanh");
/** The error function. */
export const erf: (x: Tensor) => Tensor = unary("erf");

export const add: (x: Tensor, y: TensorLike) => Tensor = binary("add", "add");
export const sub: (x: Tensor, y: TensorLike) => Tensor = binary("sub", "sub");
export const mul: (x: Tensor, y: TensorLike) => Tensor = binary("mul", "mul");
/** Integers truncate towards zero. */
export const div: (x: Tensor, y: TensorLike) => Tensor = binary("div", "div");
/** Remainder with the sign of `x`, as `%` in C. */
export const rem: (x: Tensor, y: TensorLike) => Tensor = binary("rem", "rem");
/** The larger of two; NaN wins. */
export const maximum: (x: Tensor, y: TensorLike) => Tensor = binary("max", "maximum");
/** The smaller of two; NaN wins. */
export const minimum: (x: Tensor, y: TensorLike) => Tensor = binary("min", "minimum");
/** Angle of the point (y, x): `atan2(y, x)`. */
export const atan2: (y: Tensor, x: TensorLike) => Tensor = binary("atan2", "atan2");

export const square = (x: Tensor): Tensor => mul(x, x);
export const reciprocal = (x: Tensor): Tensor => bind("div", [like(x, 1), x], {});
export const rsqrt = (x: Tensor): Tensor => reciprocal(sqrt(x));
export const tan = (x: Tensor): Tensor => div(sin(x), cos(x));
export const atan = (x: Tensor): Tensor => atan2(x, 1);
/** By expm1, so that small x keep their digits. */
export const sinh = (x: Tensor): Tensor => mul(sub(expm1(x), expm1(neg(x))), 0.5);
export const cosh = (x: Tensor): Tensor => mul(add(exp(x), exp(neg(x))), 0.5);

/** Largest constant exponent that becomes a chain of multiplications. */
const largestUnrolledExponent = 64;

/**
 * x^y. A constant whole exponent (up to 64) multiplies, and a half takes the root, so that negative x and x = 0
 * have finite values and gradients wherever these exist.
 */
export function pow(x: Tensor, exponent: TensorLike): Tensor {
  if (typeof exponent !== "number") return bind("pow", pair("pow", x, exponent), {});
  if (Number.isInteger(exponent) && Math.abs(exponent) <= largestUnrolledExponent) {
    return exponent < 0 ? reciprocal(wholePower(x, -exponent)) : wholePower(x, exponent);
  }
  if (exponent === 0.5) return sqrt(x);
  if (exponent === -0.5) return rsqrt(x);
  return bind("pow", pair("pow", x, exponent), {});
}

/** Converted to another dtype: floats truncate towards zero and saturate, anything to bool is `≠ 0`. */
export function cast(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : bind("cast", [x], { dtype });
}

/** By repeated squaring. */
function wholePower(x: Tensor, exponent: number): Tensor {
  let result: Tensor | undefined;
  let power = x;
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result = result ? mul(result, power) : power;
    if (rest > 1) power = square(power);
  }
  return result ?? like(x, 1);
}

/** A constant of the shape and dtype of `x`. */
export const like = (x: Tensor, value: number): Tensor => full(x.shape, value, { dtype: x.dtype });
