/** Sorting, by the order of indices that sorts; gradients go back through the gather. */
import { ShapeError } from "../errors.ts";
import type { Tensor } from "../graph.ts";
import { bind } from "../graph.ts";
import { typeText } from "../program.ts";
import { axisOf } from "./axes.ts";
import { takeAlongAxis } from "./gather.ts";
import { sliceAxis } from "./slice.ts";

export interface SortOptions {
  /** Default the last. */
  readonly axis?: number;
  readonly descending?: boolean;
}

/** Indices (i32) that sort `x` along `axis`, stable; NaN counts as the largest value. */
export function argsort(x: Tensor, { axis = -1, descending = false }: SortOptions = {}): Tensor {
  return bind("argsort", [x], { axis: axisOf("argsort", x, axis), descending });
}

/** Elements in order along `axis`. */
export function sort(x: Tensor, options: SortOptions = {}): Tensor {
  return takeAlongAxis(x, argsort(x, options), { axis: options.axis ?? -1 });
}

/** The k largest elements along `axis` (default the last), largest first, and their indices. */
export function topK(
  x: Tensor,
  k: number,
  options: { readonly axis?: number } = {},
): { values: Tensor; indices: Tensor } {
  const axis = axisOf("topK", x, options.axis ?? -1);
  const size = x.shape[axis] ?? 0;
  if (!Number.isInteger(k) || k < 0 || k > size) {
    throw new ShapeError(`topK: k = ${k} of axis ${axis} of ${typeText(x)}; expected 0..${size}`);
  }
  const indices = sliceAxis(argsort(x, { axis, descending: true }), axis, [0, k]);
  return { values: takeAlongAxis(x, indices, { axis }), indices };
}
