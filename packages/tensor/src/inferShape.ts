/** Shape rules of the primitives that move elements: reshape, broadcast, slice, pad, concat, reverse, gather, scatter. */
import { DTypeError, ShapeError } from "./errors.ts";
import type { InferRule } from "./inferRule.ts";
import { assertAxis, assertEntries, assertSame, only } from "./inferRule.ts";
import type { IndexParams, Shape } from "./primitive.ts";
import type { Primitive } from "./program.ts";
import type { TensorType } from "./program.ts";
import { sizeOf, typeText } from "./program.ts";

type Moving = "reshape" | "transpose" | "broadcast" | "slice" | "pad" | "concat" | "reverse" | "gather" | "scatterAdd";

export const shapeRules: { readonly [P in Extract<Primitive, Moving>]: InferRule<P> } = {
  reshape: (inputs, { shape }, name) => {
    const [x] = only(name, inputs, 1);
    assertEntries(`${name} shape`, shape, shape.length);
    if (sizeOf(shape) !== sizeOf(x.shape)) {
      throw new ShapeError(
        `reshape: ${typeText(x)} has ${sizeOf(x.shape)} elements, [${shape.join()}] has ${sizeOf(shape)}; sizes must agree`,
      );
    }
    return [{ shape, dtype: x.dtype }];
  },
  transpose: (inputs, { permutation }, name) => {
    const [x] = only(name, inputs, 1);
    const sorted = permutation.toSorted((a, b) => a - b);
    if (sorted.length !== x.shape.length || sorted.some((axis, i) => axis !== i)) {
      throw new ShapeError(`transpose: [${permutation.join()}] must name each axis of ${typeText(x)} once`);
    }
    return [{ shape: permutation.map((axis) => x.shape[axis] ?? 0), dtype: x.dtype }];
  },
  broadcast: (inputs, { shape, axes }, name) => {
    const [x] = only(name, inputs, 1);
    assertEntries(`${name} shape`, shape, shape.length);
    const fits =
      axes.length === x.shape.length &&
      axes.every((axis, i) => {
        const size = x.shape[i] ?? 0;
        return axis > (axes[i - 1] ?? -1) && axis < shape.length && (size === 1 || size === shape[axis]);
      });
    if (!fits) {
      throw new ShapeError(
        `broadcast: ${typeText(x)} does not stretch to [${shape.join()}] along axes [${axes.join()}]; sizes must match or be 1`,
      );
    }
    return [{ shape, dtype: x.dtype }];
  },
  slice: (inputs, { start, stop, step }, name) => {
    const [x] = only(name, inputs, 1);
    assertEntries(`${name} start`, start, x.shape.length);
    assertEntries(`${name} stop`, stop, x.shape.length);
    assertEntries(`${name} step`, step, x.shape.length, 1);
    const shape = x.shape.map((size, axis) => {
      const [from = 0, to = 0, by = 1] = [start[axis], stop[axis], step[axis]];
      if (from > to || to > size) {
        throw new ShapeError(`slice: ${from}..${to} is outside axis ${axis} of ${typeText(x)}`);
      }
      return Math.ceil((to - from) / by);
    });
    return [{ shape, dtype: x.dtype }];
  },
  pad: (inputs, { low, high, interior }, name) => {
    const [x, fill] = only(name, inputs, 2);
    if (fill.shape.length > 0 || fill.dtype !== x.dtype) {
      throw new ShapeError(`pad: the fill must be a scalar ${x.dtype}, got ${typeText(fill)}`);
    }
    for (const entries of [low, high, interior]) assertEntries(`${name} padding`, entries, x.shape.length);
    const shape = x.shape.map(
      (size, i) => size + (low[i] ?? 0) + (high[i] ?? 0) + Math.max(0, size - 1) * (interior[i] ?? 0),
    );
    return [{ shape, dtype: x.dtype }];
  },
  concat: (inputs, { axis }, name) => {
    const [first] = inputs;
    if (!first) throw new ShapeError("concat: nothing to join; give at least one tensor");
    assertAxis(name, first, axis);
    for (const other of inputs) {
      const fits = other.shape.length === first.shape.length && other.dtype === first.dtype;
      if (!fits || other.shape.some((size, i) => i !== axis && size !== first.shape[i])) {
        throw new ShapeError(`concat: ${typeText(other)} does not fit ${typeText(first)} along axis ${axis}`);
      }
    }
    const joined = inputs.reduce((size, x) => size + (x.shape[axis] ?? 0), 0);
    return [{ shape: first.shape.with(axis, joined), dtype: first.dtype }];
  },
  reverse: (inputs, { axes }, name) => {
    const [x] = only(name, inputs, 1);
    for (const axis of axes) assertAxis(name, x, axis);
    if (new Set(axes).size < axes.length) throw new ShapeError(`reverse: an axis is named twice in [${axes.join()}]`);
    return [{ shape: x.shape, dtype: x.dtype }];
  },
  gather: (inputs, params, name) => {
    const [x, indices] = only(name, inputs, 2);
    return [{ shape: gatheredShape(name, x, indices, params), dtype: x.dtype }];
  },
  scatterAdd: (inputs, params, name) => {
    const [x, indices, updates] = only(name, inputs, 3);
    const shape = gatheredShape(name, x, indices, params);
    assertSame(name, { shape, dtype: x.dtype }, updates);
    if (x.dtype === "bool") throw new DTypeError("scatterAdd: bool operand; cast it to i32 first");
    return [{ shape: x.shape, dtype: x.dtype }];
  },
};

function gatheredShape(name: string, x: TensorType, indices: TensorType, { axis, batchDims }: IndexParams): Shape {
  assertAxis(name, x, axis);
  if (indices.dtype !== "i32") {
    throw new DTypeError(`${name}: indices must be i32, got ${typeText(indices)}; cast them with .cast("i32")`);
  }
  const shared = x.shape.slice(0, batchDims).join() === indices.shape.slice(0, batchDims).join();
  if (batchDims < 0 || batchDims > axis || batchDims > indices.shape.length || !shared) {
    throw new ShapeError(
      `${name}: ${typeText(x)} and indices ${typeText(indices)} do not share ${batchDims} leading axes`,
    );
  }
  if (x.shape[axis] === 0 && sizeOf(indices.shape) > 0) {
    throw new ShapeError(`${name}: axis ${axis} of ${typeText(x)} is empty; there is nothing to index`);
  }
  return [...x.shape.slice(0, axis), ...indices.shape.slice(batchDims), ...x.shape.slice(axis + 1)];
}
