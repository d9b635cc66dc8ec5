/** The primitives as plain functions of tensors, for the rules that build graphs: no broadcasting, no conversion. */
import type { DType } from "./dtype.ts";
import type { Tensor } from "./graph.ts";
import { bind } from "./graph.ts";
import type { Comparison, Shape } from "./primitive.ts";
import type { TensorType } from "./program.ts";

export const add = (x: Tensor, y: Tensor): Tensor => bind("add", [x, y], {});
export const sub = (x: Tensor, y: Tensor): Tensor => bind("sub", [x, y], {});
export const mul = (x: Tensor, y: Tensor): Tensor => bind("mul", [x, y], {});
export const div = (x: Tensor, y: Tensor): Tensor => bind("div", [x, y], {});
export const neg = (x: Tensor): Tensor => bind("neg", [x], {});
export const exp = (x: Tensor): Tensor => bind("exp", [x], {});
export const log = (x: Tensor): Tensor => bind("log", [x], {});

export const compare = (op: Comparison, x: Tensor, y: Tensor): Tensor => bind("compare", [x, y], { op });
export const select = (condition: Tensor, x: Tensor, y: Tensor): Tensor => bind("select", [condition, x, y], {});
export const cast = (x: Tensor, dtype: DType): Tensor => (x.dtype === dtype ? x : bind("cast", [x], { dtype }));

/** A tensor of the type of `like`, filled with one number. */
export const fill = ({ shape, dtype }: TensorType, value: number): Tensor =>
  bind("constant", [], { shape, dtype, value });
export const zeros = (like: TensorType): Tensor => fill(like, 0);
/** `x` times a number. */
export const scale = (x: Tensor, factor: number): Tensor => mul(x, fill(x, factor));

export const sum = (x: Tensor, axes: readonly number[]): Tensor => (axes.length === 0 ? x : bind("sum", [x], { axes }));

export const reshape = (x: Tensor, shape: Shape): Tensor =>
  sameShape(x.shape, shape) ? x : bind("reshape", [x], { shape });

export const transpose = (x: Tensor, permutation: readonly number[]): Tensor =>
  permutation.every((axis, i) => axis === i) ? x : bind("transpose", [x], { permutation });

/** Repeats `x`, whose axes become `axes` of the result. */
export const broadcast = (x: Tensor, shape: Shape, axes: readonly number[]): Tensor =>
  sameShape(x.shape, shape) ? x : bind("broadcast", [x], { shape, axes });

/** The tensor with its axis `from` moved to `to`, the others in order. */
export function moveAxis(x: Tensor, from: number, to: number): Tensor {
  const permutation = range(x.rank).filter((axis) => axis !== from);
  permutation.splice(to, 0, from);
  return transpose(x, permutation);
}

export const sameShape = (x: Shape, y: Shape): boolean => x.length === y.length && x.every((size, i) => size === y[i]);

/** 0, 1, … count-1. */
export const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** The axes of a tensor of this rank that `axes` leaves out. */
export const otherAxes = (rank: number, axes: readonly number[]): number[] =>
  range(rank).filter((axis) => !axes.includes(axis));

/** Where each axis went: `inverse(p)[p[i]] = i`. */
export function inversePermutation(permutation: readonly number[]): number[] {
  const inverse: number[] = new Array<number>(permutation.length);
  permutation.forEach((axis, i) => {
    inverse[axis] = i;
  });
  return inverse;
}
