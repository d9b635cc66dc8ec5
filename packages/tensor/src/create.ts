/** Making tensors: from arrays and numbers, filled, counting. */
import type { DType, TensorData } from "./dtype.ts";
import { allocate, arrayOf, isFloat, isInteger, roundedTo } from "./dtype.ts";
import { DTypeError, ShapeError } from "./errors.ts";
import { Tensor, bind } from "./graph.ts";
import type { Shape } from "./primitive.ts";
import type { TensorType } from "./program.ts";
import { sizeOf, typeText } from "./program.ts";

/** Numbers in rows in rows: `[[1, 2], [3, 4]]`. */
export type NestedArray = readonly (number | boolean | NestedArray)[];

/** What stands where a tensor is expected: plain numbers take the dtype of the tensor they meet. */
export type TensorLike = Tensor | number | boolean | NestedArray;

export interface TensorOptions {
  /** Shape of flat values; nested arrays have their own. */
  readonly shape?: Shape;
  /** Default: f32 for numbers, bool for booleans, the element type of a typed array (i32 for the types of 8 and 16 bits). */
  readonly dtype?: DType;
}

type AnyTypedArray = TensorData | Int8Array | Int16Array | Uint16Array | Uint8ClampedArray;

/**
 * A tensor of known values, copied in.
 *
 * @throws {ShapeError} when nested rows differ in length or the values do not fill `shape`
 * @throws {DTypeError} when a value does not fit an integer dtype
 */
export function tensor(values: TensorLike | AnyTypedArray, options: TensorOptions = {}): Tensor {
  if (values instanceof Tensor) return values;
  if (ArrayBuffer.isView(values)) return fromTypedArray(values, options);
  const shape: number[] = [];
  for (
    let row: NestedArray | number | boolean | undefined = values;
    Array.isArray(row);
    row = (row as NestedArray)[0]
  ) {
    shape.push(row.length);
  }
  const flat: (number | boolean)[] = [];
  flatten(values, shape, flat);
  const dtype =
    options.dtype ?? (flat.length > 0 && flat.every((value) => typeof value === "boolean") ? "bool" : "f32");
  return adopt(convert(flat.map(Number), dtype), { shape: filled(options.shape ?? shape, flat.length), dtype });
}

/** A tensor over this very array, without a copy; the caller does not write to it again. */
export function adopt(data: TensorData, type: TensorType): Tensor {
  if (data.length !== sizeOf(type.shape) || !(data instanceof arrayOf[type.dtype])) {
    throw new ShapeError(
      `adopt: expected ${sizeOf(type.shape)} elements for ${typeText(type)}, got ${data.constructor.name}(${data.length})`,
    );
  }
  return new Tensor(type, { kind: "data", value: data });
}

/** A tensor filled with one value. */
export function full(shape: Shape, value: number | boolean, options: { dtype?: DType } = {}): Tensor {
  const dtype = options.dtype ?? (typeof value === "boolean" ? "bool" : "f32");
  return bind("constant", [], { shape, dtype, value: dtype === "bool" ? Number(Boolean(value)) : Number(value) });
}

export function zeros(shape: Shape, options: { dtype?: DType } = {}): Tensor {
  return full(shape, 0, { dtype: "f32", ...options });
}

export function ones(shape: Shape, options: { dtype?: DType } = {}): Tensor {
  return full(shape, 1, { dtype: "f32", ...options });
}

/** A known tensor of rank 0. */
export function scalar(value: number | boolean, options: { dtype?: DType } = {}): Tensor {
  return tensor(value, options);
}

/** 0, 1, … n-1 as i32, or `arange(start, stop, { step })`. */
export function arange(start: number, stop?: number, options: { step?: number; dtype?: DType } = {}): Tensor {
  const [from, to] = stop === undefined ? [0, start] : [start, stop];
  const { step = 1 } = options;
  const dtype = options.dtype ?? ([from, to, step].every(Number.isInteger) ? "i32" : "f32");
  const count = Math.max(0, Math.ceil((to - from) / step));
  if (!Number.isFinite(count)) throw new ShapeError(`arange: ${from} to ${to} by ${step} never ends; use another step`);
  return affine(count, { from, step, dtype });
}

/** `count` evenly spaced values from `start` to `stop`, both included. */
export function linspace(start: number, stop: number, count: number, options: { dtype?: DType } = {}): Tensor {
  return affine(count, {
    from: start,
    step: count > 1 ? (stop - start) / (count - 1) : 0,
    dtype: options.dtype ?? "f32",
  });
}

/** The identity matrix, or its top-left part of `rows` × `columns`. */
export function eye(rows: number, columns = rows, options: { dtype?: DType } = {}): Tensor {
  const shape = [rows, columns];
  const [i, j] = [0, 1].map((axis) => bind("iota", [], { shape, dtype: "i32", axis })) as [Tensor, Tensor];
  return bind("cast", [bind("compare", [i, j], { op: "eq" })], { dtype: options.dtype ?? "f32" });
}

/** The tensor for an operand: numbers, booleans and arrays take `dtype`, tensors stay as they are. */
export function lift(value: TensorLike, dtype: DType): Tensor {
  if (value instanceof Tensor) return value;
  return typeof value === "object" ? tensor(value, { dtype }) : full([], value, { dtype });
}

function affine(count: number, { from, step, dtype }: { from: number; step: number; dtype: DType }): Tensor {
  const shape = [count];
  const index = bind("iota", [], { shape, dtype, axis: 0 });
  const scaled = step === 1 ? index : bind("mul", [index, full(shape, step, { dtype })], {});
  return from === 0 ? scaled : bind("add", [scaled, full(shape, from, { dtype })], {});
}

function fromTypedArray(values: AnyTypedArray, { shape, dtype }: TensorOptions): Tensor {
  const own = dtypeOf(values);
  const to = dtype ?? own;
  const data = to === own ? convertSame(values, to) : convert(values, to);
  return adopt(data, { shape: filled(shape ?? [values.length], values.length), dtype: to });
}

function convertSame(values: AnyTypedArray, dtype: DType): TensorData {
  const data = allocate(dtype, values.length);
  data.set(values);
  return data;
}

function dtypeOf(values: AnyTypedArray): DType {
  if (values instanceof Float32Array) return "f32";
  if (values instanceof Float64Array) return "f64";
  if (values instanceof arrayOf.f16) return "f16";
  return values instanceof Uint32Array ? "u32" : "i32";
}

/** Copies numbers into an array of `dtype`, refusing what an integer cannot hold. */
function convert(values: ArrayLike<number>, dtype: DType): TensorData {
  const data = allocate(dtype, values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    data[i] = dtype === "bool" ? Number(value !== 0) : roundedTo(dtype, value);
    if (isInteger(dtype) && data[i] !== value) {
      throw new DTypeError(`tensor: ${value} is not an ${dtype}; use whole numbers in its range, or f32`);
    }
  }
  return data;
}

function filled(shape: Shape, size: number): Shape {
  if (sizeOf(shape) !== size) {
    throw new ShapeError(`tensor: shape [${shape.join()}] holds ${sizeOf(shape)} values, got ${size}; they must agree`);
  }
  return shape;
}

function flatten(values: NestedArray | number | boolean, shape: Shape, into: (number | boolean)[], depth = 0): void {
  if (typeof values === "object") {
    if (values.length !== shape[depth]) {
      throw new ShapeError(
        `tensor: rows differ in length, ${shape[depth] ?? "a single number"} and ${values.length} at depth ${depth}; pad them`,
      );
    }
    for (const row of values) flatten(row, shape, into, depth + 1);
  } else if (depth !== shape.length) {
    throw new ShapeError(`tensor: a number stands where a row of ${shape[depth] ?? 0} was expected at depth ${depth}`);
  } else {
    into.push(values);
  }
}

/** f32 stands in for tensors that are not floats where a float result is meant, as in a mean. */
export const floatDType = (dtype: DType): DType => (isFloat(dtype) ? dtype : "f32");
