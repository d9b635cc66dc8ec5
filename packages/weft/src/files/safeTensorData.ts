/** Values between tensors and safetensors, whose files also have half floats and integers of other widths. */
import type { DType, Tensor, TensorData } from "@weft/tensor";
import { allocate } from "@weft/tensor";
import type { SafeTensor } from "@weft/vector";
import { bf16, f16 } from "@weft/vector";
import { ModelFileError } from "../errors.ts";

/** The tensor as it is stored, copied out of the backend's memory. */
export async function ofTensor(name: string, tensor: Tensor): Promise<SafeTensor> {
  const data = await tensor.data();
  const head = { name, shape: tensor.shape };
  if (data instanceof Float32Array) return { ...head, dtype: "F32", data: Float32Array.from(data) };
  if (data instanceof Float64Array) return { ...head, dtype: "F64", data: Float64Array.from(data) };
  if (data instanceof Int32Array) return { ...head, dtype: "I32", data: Int32Array.from(data) };
  if (data instanceof Uint32Array) return { ...head, dtype: "U32", data: Uint32Array.from(data) };
  return { ...head, dtype: "BOOL", data: Uint8Array.from(data) };
}

/**
 * Stored values as a tensor holds them, in memory of their own: floats become f32 (f64 on request), integers i32 or u32.
 *
 * @throws {ModelFileError} for an integer beyond its 32 bits
 */
export function toTensor(
  { name, dtype, data }: SafeTensor,
  { keepF64, where }: { readonly keepF64: boolean; readonly where: string },
): { readonly data: TensorData; readonly dtype: DType } {
  const whole = (to: "i32" | "u32") => {
    const values = allocate(to, data.length);
    for (let i = 0; i < data.length; i++) {
      const value = Number(data[i]);
      values[i] = value;
      if (values[i] === value) continue;
      throw new ModelFileError(
        `${where}: ${name} has ${value}, which does not fit ${to}; take the tensor out of the file, or store it as F32`,
      );
    }
    return { data: values, dtype: to };
  };
  switch (dtype) {
    case "F64":
      return keepF64
        ? { data: Float64Array.from(data), dtype: "f64" }
        : { data: Float32Array.from(data), dtype: "f32" };
    case "F32":
      return { data: Float32Array.from(data), dtype: "f32" };
    case "F16": {
      const values = new Float32Array(data.length);
      f16.decode(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), values);
      return { data: values, dtype: "f32" };
    }
    case "BF16": {
      const values = new Float32Array(data.length);
      bf16.decode(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), values);
      return { data: values, dtype: "f32" };
    }
    case "I64":
    case "I32":
    case "I16":
    case "I8":
      return whole("i32");
    case "U64":
    case "U32":
    case "U16":
    case "U8":
      return whole("u32");
    case "BOOL":
      return { data: Uint8Array.from(data, (value) => Number(value !== 0)), dtype: "bool" };
    default:
      return dtype satisfies never;
  }
}
