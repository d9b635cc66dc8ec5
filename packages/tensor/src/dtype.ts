/** Element types of tensors, and the typed arrays that hold them. */
/// <reference lib="es2025.float16" preserve="true" />
import { f16round, hasHalfArrays } from "./half.ts";

/**
 * f32, i32, u32 and bool exist on every backend; f64 on the reference backend alone, for gradient checks. Each primitive's
 * result in f16 is what f32 or more would give, rounded once: sums and products of matrices are carried in at least f32.
 */
export type DType = "f32" | "f16" | "f64" | "i32" | "u32" | "bool";

/** Storage of each dtype; a bool is one byte, 0 or 1. An engine without Float16Array has a Float32Array of f16's values. */
export type DataOf<D extends DType> = {
  f32: Float32Array;
  f16: Float16Array;
  f64: Float64Array;
  i32: Int32Array;
  u32: Uint32Array;
  bool: Uint8Array;
}[D];

export type TensorData = DataOf<DType>;

export const arrayOf = {
  f32: Float32Array,
  f16: hasHalfArrays ? Float16Array : (Float32Array as unknown as Float16ArrayConstructor),
  f64: Float64Array,
  i32: Int32Array,
  u32: Uint32Array,
  bool: Uint8Array,
} as const;

/** Bytes of one element. */
export const bytesPerElement: Readonly<Record<DType, number>> = { f32: 4, f16: 2, f64: 8, i32: 4, u32: 4, bool: 1 };

export const dtypes: readonly DType[] = ["f32", "f16", "f64", "i32", "u32", "bool"];

export const isFloat = (dtype: DType): dtype is "f32" | "f16" | "f64" =>
  dtype === "f32" || dtype === "f16" || dtype === "f64";
export const isInteger = (dtype: DType): dtype is "i32" | "u32" => dtype === "i32" || dtype === "u32";

/** A zero-filled array of `size` elements. */
export function allocate(dtype: DType, size: number): TensorData {
  return new arrayOf[dtype](size);
}

/** What an f16 array would hold of the number, for arrays that do not round by themselves; other dtypes as they are. */
export const roundedTo = (dtype: DType, value: number): number => (dtype === "f16" ? f16round(value) : value);

/** Rounds the elements of a fresh array as storing them in their dtype should have. */
export function roundStored(dtype: DType, data: TensorData): TensorData {
  if (dtype === "f16" && !hasHalfArrays) data.forEach((value, i) => (data[i] = f16round(value)));
  return data;
}
