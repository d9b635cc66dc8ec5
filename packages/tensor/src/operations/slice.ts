/** Parts of a tensor: ranges, single indices, triangles. */
import { ShapeError } from "../errors.ts";
import type { Tensor } from "../graph.ts";
import { bind } from "../graph.ts";
import { typeText } from "../program.ts";
import { axisOf } from "./axes.ts";
import { where } from "./compare.ts";
import { reshape } from "./shape.ts";

/**
 * `start ≤ index < stop`, every `step`-th, per axis; missing entries take the whole axis, negative ones count from the end.
 */
export function slice(
  x: Tensor,
  start: readonly number[],
  stop: readonly number[] = [],
  step: readonly number[] = [],
): Tensor {
  if (start.length > x.rank || stop.length > x.rank || step.length > x.rank) {
    throw new ShapeError(`slice: more entries than the ${x.rank} axes of ${typeText(x)}; give one per axis`);
  }
  const clamp = (index: number, size: number) => Math.min(size, Math.max(0, index < 0 ? index + size : index));
  const from = x.shape.map((size, axis) => clamp(start[axis] ?? 0, size));
  const to = x.shape.map((size, axis) => Math.max(from[axis] ?? 0, clamp(stop[axis] ?? size, size)));
  const by = x.shape.map((_, axis) => step[axis] ?? 1);
  const whole = x.shape.every((size, axis) => from[axis] === 0 && to[axis] === size && by[axis] === 1);
  return whole ? x : bind("slice", [x], { start: from, stop: to, step: by });
}

/** One axis cut to `[from, to)`. */
export function sliceAxis(x: Tensor, axis: number, [from, to]: readonly [from: number, to: number]): Tensor {
  const start = x.shape.map((_, i) => (i === axis ? from : 0));
  return slice(
    x,
    start,
    x.shape.map((size, i) => (i === axis ? to : size)),
  );
}

/** What `at` does with one axis: a number picks and drops it, a pair cuts it, null keeps it. */
export type Index = number | readonly [from: number, to: number] | null;

/** Indexing: `x.at(0)` is the first row, `x.at(null, [1, 3], -1)` columns 1 and 2 of the last channel. */
export function at(x: Tensor, ...indices: Index[]): Tensor {
  if (indices.length > x.rank) {
    throw new ShapeError(`at: ${indices.length} indices for ${typeText(x)}; expected at most ${x.rank}`);
  }
  const ranges = x.shape.map((size, axis): readonly [number, number] => {
    const index = indices[axis] ?? null;
    if (index === null) return [0, size];
    if (typeof index !== "number") return index;
    const position = index < 0 ? index + size : index;
    if (!Number.isInteger(index) || position < 0 || position >= size) {
      throw new ShapeError(
        `at: index ${index} is outside axis ${axis} of ${typeText(x)}; expected ${-size}..${size - 1}`,
      );
    }
    return [position, position + 1];
  });
  const part = slice(
    x,
    ranges.map(([from]) => from),
    ranges.map(([, to]) => to),
  );
  return reshape(
    part,
    part.shape.filter((_, axis) => typeof indices[axis] !== "number"),
  );
}

/** Cut along `axis` into `parts` equal parts, or into parts of the given sizes. */
export function split(x: Tensor, parts: number | readonly number[], axis = 0): Tensor[] {
  const along = axisOf("split", x, axis);
  const size = x.shape[along] ?? 0;
  const sizes = typeof parts === "number" ? Array.from({ length: parts }, () => size / parts) : parts;
  if (sizes.some((n) => !Number.isInteger(n) || n < 0) || sizes.reduce((total, n) => total + n, 0) !== size) {
    throw new ShapeError(
      `split: axis ${axis} of ${typeText(x)} does not divide into ${JSON.stringify(parts)}; sizes must add up`,
    );
  }
  let from = 0;
  return sizes.map((n) => sliceAxis(x, along, [from, (from += n)]));
}

/** Keeps j ≤ i + k of the last two axes, zero elsewhere. */
export function tril(x: Tensor, k = 0): Tensor {
  return triangle("tril", x, { k, lower: true });
}

/** Keeps j ≥ i + k of the last two axes, zero elsewhere. */
export function triu(x: Tensor, k = 0): Tensor {
  return triangle("triu", x, { k, lower: false });
}

function triangle(name: string, x: Tensor, { k, lower }: { k: number; lower: boolean }): Tensor {
  const shape = [x.shape[axisOf(name, x, -2)] ?? 0, x.shape[axisOf(name, x, -1)] ?? 0];
  const row = bind("iota", [], { shape, dtype: "i32", axis: 0 });
  const column = bind("iota", [], { shape, dtype: "i32", axis: 1 });
  const edge = bind("add", [row, bind("constant", [], { shape, dtype: "i32", value: k })], {});
  return where(bind("compare", lower ? [column, edge] : [edge, column], { op: "le" }), x, 0);
}
