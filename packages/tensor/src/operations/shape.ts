/** Operations that only rearrange axes. */
import { ShapeError } from "../errors.ts";
import type { Tensor } from "../graph.ts";
import { bind } from "../graph.ts";
import type { Shape } from "../primitive.ts";
import { typeText } from "../program.ts";
import { axesOf, axisOf } from "./axes.ts";

/** Same elements, row-major order kept, in another shape; one size may be -1 and is inferred. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = shape.reduce((size, n) => (n === -1 ? size : size * n), 1);
  const free = shape.filter((n) => n === -1).length;
  if (free > 1 || (free === 1 && (known === 0 || x.size % known !== 0))) {
    throw new ShapeError(
      `reshape: ${typeText(x)} has ${x.size} elements and does not fill [${shape.join()}]; give all sizes but one`,
    );
  }
  const to = shape.map((n) => (n === -1 ? x.size / known : n));
  if (to.length === x.rank && to.every((n, axis) => n === x.shape[axis])) return x;
  return bind("reshape", [x], { shape: to });
}

/** Axes in a new order: result axis i is axis `permutation[i]`; without one, all axes reversed. */
export function transpose(x: Tensor, permutation?: readonly number[]): Tensor {
  const order = permutation?.map((axis) => axisOf("transpose", x, axis)) ?? x.shape.map((_, axis) => x.rank - 1 - axis);
  if (order.length === x.rank && order.every((axis, i) => axis === i)) return x;
  return bind("transpose", [x], { permutation: order });
}

/** Two axes exchanged. */
export function swapAxes(x: Tensor, first: number, second: number): Tensor {
  const [a, b] = [axisOf("swapAxes", x, first), axisOf("swapAxes", x, second)];
  return transpose(
    x,
    x.shape.map((_, axis) => (axis === a ? b : axis === b ? a : axis)),
  );
}

/** One axis taken out and put back at `to`. */
export function moveAxis(x: Tensor, from: number, to: number): Tensor {
  const [source, target] = [axisOf("moveAxis", x, from), axisOf("moveAxis", x, to)];
  const others = x.shape.map((_, axis) => axis).filter((axis) => axis !== source);
  return transpose(x, others.toSpliced(target, 0, source));
}

/** Axes of size 1 dropped: the named ones, or all of them. */
export function squeeze(x: Tensor, axis?: number | readonly number[]): Tensor {
  const axes = axis === undefined ? x.shape.flatMap((n, i) => (n === 1 ? [i] : [])) : axesOf("squeeze", x, axis);
  for (const each of axes) {
    if (x.shape[each] !== 1)
      throw new ShapeError(`squeeze: axis ${each} of ${typeText(x)} is not of size 1; slice it first`);
  }
  return reshape(
    x,
    x.shape.filter((_, i) => !axes.includes(i)),
  );
}

/** A new axis of size 1 at position `axis` of the result. */
export function expandDims(x: Tensor, axis: number): Tensor {
  const at = axis < 0 ? axis + x.rank + 1 : axis;
  if (!Number.isInteger(at) || at < 0 || at > x.rank) {
    throw new ShapeError(`expandDims: position ${axis} is outside ${typeText(x)}; expected ${-x.rank - 1}..${x.rank}`);
  }
  return reshape(x, x.shape.toSpliced(at, 0, 1));
}

/** Elements in reverse order along the axes (default all). */
export function flip(x: Tensor, axis?: number | readonly number[]): Tensor {
  return bind("reverse", [x], { axes: axesOf("flip", x, axis) });
}
