/** Reductions along axes, and running sums and products. */
import { floatDType } from "../create.ts";
import { isInteger } from "../dtype.ts";
import { ShapeError } from "../errors.ts";
import type { Tensor } from "../graph.ts";
import { bind } from "../graph.ts";
import { typeText } from "../program.ts";
import { abs, add, cast, div, exp, log, mul, neg, sqrt, square, stopGradient, sub } from "./arithmetic.ts";
import { axesOf, axisOf } from "./axes.ts";
import { equal, less, not, notEqual, where, xor } from "./compare.ts";
import { inF32 } from "./inF32.ts";
import { concat } from "./join.ts";
import { pad } from "./pad.ts";
import { reshape } from "./shape.ts";
import { sliceAxis } from "./slice.ts";

export interface ReduceOptions {
  /** Axes to reduce; all of them by default. Negative ones count from the end. */
  readonly axis?: number | readonly number[] | undefined;
  /** Leaves the reduced axes with size 1. */
  readonly keepDims?: boolean;
}

/** A bool is counted as i32. */
export function sum(x: Tensor, options: ReduceOptions = {}): Tensor {
  const operand = x.dtype === "bool" ? cast(x, "i32") : x;
  const axes = axesOf("sum", x, options.axis);
  return kept(axes.length === 0 ? operand : bind("sum", [operand], { axes }), { x, axes, options });
}

/** The mean; integers and bools as f32. That of f16, whose sum may pass its range, is carried in f32; so are the others below. */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  const count = countOf("mean", x, options);
  return inF32(x, (wide) => div(sum(cast(wide, floatDType(wide.dtype)), options), count));
}

/** The maximum; NaN wins. */
export function max(x: Tensor, options: ReduceOptions = {}): Tensor {
  const axes = axesOf("max", x, options.axis);
  return kept(axes.length === 0 ? x : bind("reduceMax", [x], { axes }), { x, axes, options });
}

/** The minimum; NaN wins. */
export function min(x: Tensor, options: ReduceOptions = {}): Tensor {
  return mirrored(max(mirrored(x), options));
}

/** Whether any element is true (or not 0). */
export function any(x: Tensor, options: ReduceOptions = {}): Tensor {
  return notEqual(sum(cast(cast(x, "bool"), "i32"), options), 0);
}

/** Whether all elements are true (or not 0). */
export function all(x: Tensor, options: ReduceOptions = {}): Tensor {
  return not(any(not(cast(x, "bool")), options));
}

/** log Σ exp(x), shifted so that nothing overflows. */
export function logSumExp(x: Tensor, options: ReduceOptions = {}): Tensor {
  return inF32(x, (wide) => {
    const shift = stableShift(wide, options);
    const total = log(sum(exp(sub(wide, shift)), options));
    return add(total, reshape(shift, total.shape));
  });
}

/**
 * What to subtract before an exponential: the maximum along the axes, kept with size 1. The result does not depend on it,
 * so it is kept out of the backward pass. Infinite maxima become 0.
 */
export function stableShift(x: Tensor, options: ReduceOptions): Tensor {
  const largest = stopGradient(max(x, { ...options, keepDims: true }));
  return where(less(abs(largest), Infinity), largest, 0);
}

/** Mean squared distance from the mean; `correction` is subtracted from the divisor (1 for the sample variance). */
export function variance(x: Tensor, options: ReduceOptions & { readonly correction?: number } = {}): Tensor {
  const divisor = countOf("variance", x, options) - (options.correction ?? 0);
  return inF32(x, (wide) => {
    const centred = sub(wide, mean(wide, { ...options, keepDims: true }));
    return div(sum(square(centred), options), divisor);
  });
}

/** Square root of the variance; its gradient at 0 is 0. */
export function std(x: Tensor, options: ReduceOptions & { readonly correction?: number } = {}): Tensor {
  return inF32(x, (wide) => rootOrZero(variance(wide, options)));
}

/** Euclidean norm; its gradient at 0 is 0. */
export function norm(x: Tensor, options: ReduceOptions = {}): Tensor {
  return inF32(x, (wide) => rootOrZero(sum(square(wide), options)));
}

/** The product, by halving, so that its gradient is right where factors are 0. */
export function prod(x: Tensor, options: ReduceOptions = {}): Tensor {
  const axes = axesOf("prod", x, options.axis);
  let product = x;
  for (const axis of axes) {
    for (let size = product.shape[axis] ?? 1; size > 1; size = Math.ceil(size / 2)) {
      const half = Math.floor(size / 2);
      const halves = mul(sliceAxis(product, axis, [0, half]), sliceAxis(product, axis, [half, 2 * half]));
      product = size % 2 === 0 ? halves : concat([halves, sliceAxis(product, axis, [size - 1, size])], axis);
    }
    if (product.shape[axis] === 0) {
      product = pad(
        product,
        product.shape.map((_, i) => (i === axis ? [0, 1] : [0, 0])),
        { value: 1 },
      );
    }
  }
  return reshape(product, keptShape(x, axes, options));
}

/** Index (i32) of the first maximum along `axis`, or in the flattened tensor. */
export function argmax(x: Tensor, options: { readonly axis?: number; readonly keepDims?: boolean } = {}): Tensor {
  const flat = options.axis === undefined;
  const operand = flat ? reshape(x, [-1]) : x;
  const axis = axisOf("argmax", operand, options.axis ?? 0);
  const result = bind("argmax", [operand], { axis });
  const axes = axesOf("argmax", x, flat ? undefined : axis);
  return kept(result, { x, axes, options });
}

/** Index (i32) of the first minimum along `axis`, or in the flattened tensor. */
export function argmin(x: Tensor, options: { readonly axis?: number; readonly keepDims?: boolean } = {}): Tensor {
  return argmax(mirrored(x), options);
}

export interface RunningOptions {
  readonly axis?: number;
  /** Runs from the end. */
  readonly reverse?: boolean;
}

/** Sums of all elements up to and including each along `axis` (default the last). */
export function cumsum(x: Tensor, { axis = -1, reverse = false }: RunningOptions = {}): Tensor {
  const operand = x.dtype === "bool" ? cast(x, "i32") : x;
  return bind("cumsum", [operand], { axis: axisOf("cumsum", x, axis), reverse });
}

/** Products of all elements up to and including each along `axis`, in log₂ n doubling steps. */
export function cumprod(x: Tensor, { axis = -1, reverse = false }: RunningOptions = {}): Tensor {
  const along = axisOf("cumprod", x, axis);
  const size = x.shape[along] ?? 0;
  let product = x;
  for (let shift = 1; shift < size; shift *= 2) {
    const kept = sliceAxis(product, along, reverse ? [shift, size] : [0, size - shift]);
    const pads = x.shape.map((_, i): [number, number] => (i !== along ? [0, 0] : reverse ? [0, shift] : [shift, 0]));
    product = mul(product, pad(kept, pads, { value: 1 }));
  }
  return product;
}

/** Square root whose gradient at 0 is 0 rather than infinite. */
function rootOrZero(x: Tensor): Tensor {
  const zero = equal(x, 0);
  return where(zero, 0, sqrt(where(zero, 1, x)));
}

/** Order reversed exactly: negation, or for integers all bits flipped, which has no overflow. */
function mirrored(x: Tensor): Tensor {
  if (!isInteger(x.dtype)) return neg(x);
  return xor(x, x.dtype === "i32" ? -1 : 0xffffffff);
}

function kept(result: Tensor, call: { x: Tensor; axes: readonly number[]; options: ReduceOptions }): Tensor {
  return call.options.keepDims ? reshape(result, keptShape(call.x, call.axes, call.options)) : result;
}

function keptShape(x: Tensor, axes: readonly number[], { keepDims = false }: ReduceOptions): number[] {
  const shape = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  return keepDims ? shape : shape.filter((_, axis) => !axes.includes(axis));
}

function countOf(name: string, x: Tensor, options: ReduceOptions): number {
  const count = axesOf(name, x, options.axis).reduce((product, axis) => product * (x.shape[axis] ?? 1), 1);
  if (count === 0) throw new ShapeError(`${name}: ${typeText(x)} has no elements to average; expected at least one`);
  return count;
}
