/** Axes as users write them: negative ones count from the end. */
import { ShapeError } from "../errors.ts";
import type { Tensor } from "../graph.ts";
import { typeText } from "../program.ts";

/** `axis` in 0..rank-1. */
export function axisOf(name: string, x: Tensor, axis: number): number {
  const result = axis < 0 ? axis + x.rank : axis;
  if (!Number.isInteger(axis) || result < 0 || result >= x.rank) {
    throw new ShapeError(`${name}: axis ${axis} is outside ${typeText(x)}; expected ${-x.rank}..${x.rank - 1}`);
  }
  return result;
}

/** The named axes in increasing order; all of them when none is named. */
export function axesOf(name: string, x: Tensor, axis: number | readonly number[] | undefined): number[] {
  if (axis === undefined) return x.shape.map((_, i) => i);
  const named = typeof axis === "number" ? [axis] : axis;
  const axes = named.map((each) => axisOf(name, x, each)).sort((a, b) => a - b);
  if (new Set(axes).size < axes.length) {
    throw new ShapeError(`${name}: axes [${named.join()}] of ${typeText(x)} name one axis twice; name each once`);
  }
  return axes;
}
