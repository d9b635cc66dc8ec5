/** Tensors put together: side by side, stacked, repeated. */
import { ShapeError } from "../errors.ts";
import type { Tensor } from "../graph.ts";
import { bind } from "../graph.ts";
import type { Shape } from "../primitive.ts";
import { typeText } from "../program.ts";
import { axisOf } from "./axes.ts";
import { expandDims, reshape } from "./shape.ts";

/** Joined along an axis that they have. */
export function concat(tensors: readonly Tensor[], axis = 0): Tensor {
  const [first] = tensors;
  if (!first) throw new ShapeError("concat: nothing to join; give at least one tensor");
  return tensors.length === 1 ? first : bind("concat", tensors, { axis: axisOf("concat", first, axis) });
}

/** Joined along a new axis. */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  const [first] = tensors;
  if (!first) throw new ShapeError("stack: nothing to join; give at least one tensor");
  const at = axis < 0 ? axis + first.rank + 1 : axis;
  return concat(
    tensors.map((x) => expandDims(x, at)),
    at,
  );
}

/** The whole repeated `repeats[axis]` times along each axis. */
export function tile(x: Tensor, repeats: Shape): Tensor {
  if (repeats.length !== x.rank) {
    throw new ShapeError(`tile: [${repeats.join()}] must have one entry per axis of ${typeText(x)}`);
  }
  const shape = x.shape.flatMap((size, axis) => [repeats[axis] ?? 1, size]);
  const repeated = bind("broadcast", [x], { shape, axes: x.shape.map((_, axis) => 2 * axis + 1) });
  return reshape(
    repeated,
    x.shape.map((size, axis) => size * (repeats[axis] ?? 1)),
  );
}

/** Each element repeated `count` times in place along `axis`. */
export function repeat(x: Tensor, count: number, axis: number): Tensor {
  const along = axisOf("repeat", x, axis);
  const shape = x.shape.toSpliced(along + 1, 0, count);
  const axes = x.shape.map((_, i) => (i <= along ? i : i + 1));
  return reshape(bind("broadcast", [x], { shape, axes }), x.shape.with(along, (x.shape[along] ?? 0) * count));
}
