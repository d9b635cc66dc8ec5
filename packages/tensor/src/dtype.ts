/** Element types of tensors, and the typed arrays that hold them. */

/** f32, i32, u32 and bool exist on every backend; f64 on the reference backend alone, for gradient checks. */
export type DType = "f32" | "f64" | "i32" | "u32" | "bool";

/** Storage of each dtype; a bool is one byte, 0 or 1. */
export type DataOf<D extends DType> = {
  f32: Float32Array;
  f64: Float64Array;
  i32: Int32Array;
  u32: Uint32Array;
  bool: Uint8Array;
}[D];

export type TensorData = DataOf<DType>;

export const arrayOf = {
  f32: Float32Array,
  f64: Float64Array,
  i32: Int32Array,
  u32: Uint32Array,
  bool: Uint8Array,
} as const;

/** Bytes of one element. */
export const bytesPerElement: Readonly<Record<DType, number>> = { f32: 4, f64: 8, i32: 4, u32: 4, bool: 1 };

export const dtypes: readonly DType[] = ["f32", "f64", "i32", "u32", "bool"];

export const isFloat = (dtype: DType): dtype is "f32" | "f64" => dtype === "f32" || dtype === "f64";
export const isInteger = (dtype: DType): dtype is "i32" | "u32" => dtype === "i32" || dtype === "u32";

/** A zero-filled array of `size` elements. */
export function allocate(dtype: DType, size: number): TensorData {
  return new arrayOf[dtype](size);
}
