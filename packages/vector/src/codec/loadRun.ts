/** Brings a run of values to where it is encoded, with what was owed before. */
import { blockElements } from "../block.ts";
import { addressIn, type Kernels, nowhere, owedAt, valuesAt } from "../kernels/kernels.ts";
import { type Owed, sumWithOwed } from "./blockCodec.ts";
import { floatOf, lanes, largestMagnitude } from "./laneSums.ts";

/** A run, or its sum with what was owed, where the kernels reach it. */
export interface LoadedRun {
  readonly at: number;
  /** NaN if there is one. */
  readonly largest: number;
}

/**
 * Puts values, or their sums with what was owed before, where the kernels reach them: into their memory, filled up to a multiple of
 * sixteen with zeros, or into `owed.after` if that lies there.
 */
export function loadRun(simd: Kernels, values: Float32Array, owed?: Owed): LoadedRun {
  const count = Math.ceil(values.length / lanes) * lanes;
  simd.values.set(values);
  simd.values.fill(0, values.length, count);
  if (owed?.before === undefined) return { at: valuesAt, largest: floatOf(simd.largest(valuesAt, count)) };
  // What is behind the run's end belongs to others.
  const own = count === values.length ? addressIn(simd, owed.after) : undefined;
  const at = own ?? valuesAt;
  const before = addressOfOwed(simd, owed.before, count);
  return { at, largest: floatOf(simd.addOwed(valuesAt, before, at, count)) };
}

/** Where the kernels find what is owed of `count` values: where it lies, or after it was copied and filled up with zeros. */
export function addressOfOwed(simd: Kernels, before: Float32Array | undefined, count: number): number {
  const own = before !== undefined && count <= before.length ? addressIn(simd, before) : undefined;
  if (before === undefined || own !== undefined) return own ?? owedAt;
  simd.owed.set(count < before.length ? before.subarray(0, count) : before);
  simd.owed.fill(0, before.length, count);
  return owedAt;
}

/** As `loadRun`; the sums go to `owed.after` as well. */
export function sumRun(simd: Kernels | undefined, values: Float32Array, owed: Owed): LoadedRun {
  if (simd === undefined) {
    sumWithOwed(values, owed, 0);
    return { at: nowhere, largest: largestMagnitude(owed.after) };
  }
  const run = loadRun(simd, values, owed);
  if (run.at === valuesAt) owed.after.set(simd.values.subarray(0, values.length));
  return run;
}

/** after = values + before, of any number of values. */
export function sumRuns(simd: Kernels | undefined, values: Float32Array, { before, after }: Owed): void {
  if (before === undefined) {
    after.set(values);
    return;
  }
  for (let start = 0; start < values.length; start += blockElements) {
    const run = values.subarray(start, start + blockElements);
    const end = start + run.length;
    sumRun(simd, run, { before: before.subarray(start, end), after: after.subarray(start, end) });
  }
}
