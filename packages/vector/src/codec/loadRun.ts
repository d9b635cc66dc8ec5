/** Brings a run of values to where it is encoded, with what was owed before. */
import { blockElements } from "../block.ts";
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

/** after = values + before, of any number of values. */
export function sumRun(simd: Kernels | undefined, values: Float32Array, owed: Owed): void {
  const { before, after } = owed;
  if (simd === undefined || before === undefined) {
    sumWithOwed(values, owed, 0);
    return;
  }
  for (let start = 0; start < values.length; start += blockElements) {
    const run = values.subarray(start, start + blockElements);
    const end = start + run.length;
    loadRun(simd, run, { before: before.subarray(start, end), after: after.subarray(start, end) });
    after.set(simd.values.subarray(0, run.length), start);
  }
}
