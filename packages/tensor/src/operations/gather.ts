/** Reading and adding at computed indices. Indices are i32 and are clamped into range. */
import type { TensorLike } from "../create.ts";
import { lift } from "../create.ts";
import type { DType } from "../dtype.ts";
import type { Tensor } from "../graph.ts";
import { bind } from "../graph.ts";
import { cast } from "./arithmetic.ts";
import { axisOf } from "./axes.ts";
import { equal } from "./compare.ts";
import { expandDims, moveAxis } from "./shape.ts";

/** Slices of `x` along `axis`: shape x[:axis] + indices + x[axis+1:]. */
export function take(x: Tensor, indices: TensorLike, options: { readonly axis?: number } = {}): Tensor {
  return bind("gather", [x, lift(indices, "i32")], { axis: axisOf("take", x, options.axis ?? 0), batchDims: 0 });
}

/** Rows of a table [vocabulary, features] by index: [...indices, features]. */
export function embedding(table: Tensor, indices: TensorLike): Tensor {
  return take(table, indices);
}

/** out[i, j] = x[indices[i, j], j] for axis 0: `torch.gather`, with all other axes of equal size. */
export function takeAlongAxis(x: Tensor, indices: TensorLike, options: { readonly axis?: number } = {}): Tensor {
  const axis = axisOf("takeAlongAxis", x, options.axis ?? -1);
  const operands = [moveAxis(x, axis, -1), moveAxis(lift(indices, "i32"), axis, -1)];
  return moveAxis(bind("gather", operands, { axis: x.rank - 1, batchDims: x.rank - 1 }), -1, axis);
}

/** A copy of `x` with out[indices[i, j], j] += updates[i, j] for axis 0: `torch.scatter_add`. */
export function scatterAdd(
  x: Tensor,
  indices: TensorLike,
  updates: TensorLike,
  options: { readonly axis?: number } = {},
): Tensor {
  const axis = axisOf("scatterAdd", x, options.axis ?? 0);
  const operands = [x, lift(indices, "i32"), lift(updates, x.dtype)].map((operand) => moveAxis(operand, axis, -1));
  return moveAxis(bind("scatterAdd", operands, { axis: x.rank - 1, batchDims: x.rank - 1 }), -1, axis);
}

/** A copy of `x` with slice indices[i] along `axis` increased by slice i of `updates`; repeated indices add up. */
export function indexAdd(
  x: Tensor,
  indices: TensorLike,
  updates: TensorLike,
  options: { readonly axis?: number } = {},
): Tensor {
  const operands = [x, lift(indices, "i32"), lift(updates, x.dtype)];
  return bind("scatterAdd", operands, { axis: axisOf("indexAdd", x, options.axis ?? 0), batchDims: 0 });
}

/** 1 at each index of a new last axis of size `depth`, 0 elsewhere; indices out of range give zeros. */
export function oneHot(indices: Tensor, depth: number, options: { readonly dtype?: DType } = {}): Tensor {
  const shape = [...indices.shape, depth];
  const counter = bind("iota", [], { shape, dtype: indices.dtype, axis: indices.rank });
  return cast(equal(counter, expandDims(indices, -1)), options.dtype ?? "f32");
}
