/** Brings a run of values to where it is encoded, with what was owed before. */
import { type Kernels, owedAt, valuesAt } from "../kernels/kernels.ts";
import { type Owed, sumWithOwed } from "./blockCodec.ts";
import { floatOf, lanes, largestMagnitude } from "./laneSums.ts";

/**
 * Puts values, or their sums with what was owed before, into the kernels' memory, filled up to a multiple of sixteen with zeros;
 * without kernels the sums go to `owed.after`.
 *
 * @returns the largest magnitude, or NaN
 */
export function loadRun(simd: Kernels | undefined, values: Float32Array, owed?: Owed): number {
  if (simd === undefined) {
    if (owed !== undefined) sumWithOwed(values, owed, 0);
    return largestMagnitude(owed?.after ?? values);
  }
  const count = Math.ceil(values.length / lanes) * lanes;
  simd.values.set(values);
  simd.values.fill(0, values.length, count);
  if (owed?.before === undefined) return floatOf(simd.largest(valuesAt, count));
  simd.owed.set(owed.before);
  simd.owed.fill(0, values.length, count);
  return floatOf(simd.addOwed(valuesAt, owedAt, count));
}
