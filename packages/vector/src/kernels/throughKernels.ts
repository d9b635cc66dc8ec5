/** Passes runs of 16-bit values through the kernels' memory, block by block. */
import { blockElements } from "../block.ts";
import { codesAt, type Kernels, valuesAt } from "./kernels.ts";

/** Converts all but the last few values; returns how many. */
export function toHalvesBy(
  simd: Kernels | undefined,
  kernel: "toHalves" | "toBrains",
  { values, out }: { values: Float32Array; out: Uint8Array },
): number {
  if (simd === undefined) return 0;
  const whole = values.length & ~7;
  for (let start = 0; start < whole; start += blockElements) {
    const count = Math.min(blockElements, whole - start);
    simd.values.set(values.subarray(start, start + count));
    simd[kernel](valuesAt, codesAt, count);
    out.set(simd.bytes.subarray(codesAt, codesAt + 2 * count), 2 * start);
  }
  return whole;
}

/** As `toHalvesBy`, the other way. */
export function fromHalvesBy(
  simd: Kernels | undefined,
  kernel: "fromHalves" | "fromBrains",
  { bytes, out }: { bytes: Uint8Array; out: Float32Array },
): number {
  if (simd === undefined) return 0;
  const whole = out.length & ~7;
  for (let start = 0; start < whole; start += blockElements) {
    const count = Math.min(blockElements, whole - start);
    simd.bytes.set(bytes.subarray(2 * start, 2 * (start + count)), codesAt);
    simd[kernel](valuesAt, codesAt, count);
    out.set(simd.values.subarray(0, count), start);
  }
  return whole;
}
