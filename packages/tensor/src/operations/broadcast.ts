/** Broadcasting as in numpy: shapes align at the right, and a size of 1 stretches. */
import type { TensorLike } from "../create.ts";
import { lift } from "../create.ts";
import { ShapeError } from "../errors.ts";
import type { Tensor } from "../graph.ts";
import { bind } from "../graph.ts";
import type { Shape } from "../primitive.ts";

/** The tensor repeated to `shape`. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  if (x.shape.length === shape.length && x.shape.every((size, axis) => size === shape[axis])) return x;
  const offset = shape.length - x.rank;
  const fits = offset >= 0 && x.shape.every((size, axis) => size === 1 || size === shape[axis + offset]);
  if (!fits) {
    throw new ShapeError(
      `broadcastTo: [${x.shape.join(", ")}] does not stretch to [${shape.join(", ")}]; sizes, aligned at the right, must match or be 1`,
    );
  }
  return bind("broadcast", [x], { shape, axes: x.shape.map((_, axis) => axis + offset) });
}

/** The shape to which all of `shapes` stretch. */
export function broadcastShapes(name: string, ...shapes: readonly Shape[]): number[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    let result = 1;
    for (const shape of shapes) {
      const size = shape[axis - rank + shape.length] ?? 1;
      if (result !== 1 && size !== 1 && size !== result) {
        const text = shapes.map((each) => `[${each.join(", ")}]`).join(" and ");
        throw new ShapeError(`${name}: shapes ${text} do not fit; sizes, aligned at the right, must match or be 1`);
      }
      if (size !== 1) result = size;
    }
    return result;
  });
}

/** Both operands as tensors of one shape; a plain number takes the dtype of `x`. */
export function pair(name: string, x: Tensor, y: TensorLike): [Tensor, Tensor] {
  const right = lift(y, x.dtype);
  const shape = broadcastShapes(name, x.shape, right.shape);
  return [broadcastTo(x, shape), broadcastTo(right, shape)];
}
