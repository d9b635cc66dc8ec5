/** Brings a run of values to where it is encoded, with what was owed before. */
import { blockElements } from "../block.ts";
import { nowhere } from "../kernels/groups.ts";
import { addressIn, type Kernels, owedAt, valuesAt } from "../kernels/kernels.ts";
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
export function loadRun(simd: Kernels, values: Float32Array, owed?: Owed, summing = adding): LoadedRun {
  const count = Math.ceil(values.length / lanes) * lanes;
  simd.values.set(values);
  simd.values.fill(0, values.length, count);
  if (owed?.before === undefined) return { at: valuesAt, largest: floatOf(simd.largest(valuesAt, count)) };
  // What is behind the run's end belongs to others.
  const own = count === values.length ? addressIn(simd, owed.after) : undefined;
  const at = own ?? valuesAt;
  const before = addressOfOwed(simd, owed.before, count);
  return { at, largest: floatOf(summing(simd, { before, after: at, count })) };
}

/** Writes values plus what is at `before` to `after`; gives the bits of the largest magnitude, as `addOwed` does. */
export type Summing = (simd: Kernels, sums: { before: number; after: number; count: number }) => number;

const adding: Summing = (simd, { before, after, count }) => simd.addOwed(valuesAt, before, after, count);

/** Where the kernels find what is owed of `count` values: where it lies, or after it was copied and filled up with zeros. */
export function addressOfOwed(simd: Kernels, before: Float32Array | undefined, count: number): number {
  const own = before !== undefined && count <= before.length ? addressIn(simd, before) : undefined;
  if (before === undefined || own !== undefined) return own ?? owedAt;
  simd.owed.set(count < before.length ? before.subarray(0, count) : before);
  simd.owed.fill(0, before.length, count);
  return owedAt;
}

/** As `loadRun`; the sums go to `owed.after` as well. */
export function sumRun(simd: Kernels | undefined, values: Float32Array, owed: Owed, summing?: Summing): LoadedRun {
  if (simd === undefined) {
    sumWithOwed(values, owed, 0);
    return { at: nowhere, largest: largestMagnitude(owed.after) };
  }
  const run = loadRun(simd, values, owed, summing);
  if (run.at === valuesAt) owed.after.set(simd.values.subarray(0, values.length));
  return run;
}

/** after = values + before, of any number of values. */
export function sumRuns(simd: Kernels | undefined, values: Float32Array, owed: Owed): void {
  for (let start = 0; start < values.length; start += blockElements) {
    sumPart(simd, values, { owed, start, end: Math.min(start + blockElements, values.length) });
  }
}

/** after = values + before, of at most a block's elements; the kernels' memory for what is owed is left alone if `before` is in their reach. */
export function sumPart(
  simd: Kernels | undefined,
  values: Float32Array,
  { owed, start, end }: { readonly owed: Owed; readonly start: number; readonly end: number },
): void {
  const part = (all: Float32Array, to = end) => all.subarray(start, to);
  const [before, after] = [owed.before && part(owed.before), part(owed.after)];
  const whole = simd === undefined || before === undefined ? 0 : (end - start) & ~(lanes - 1);
  if (whole > 0) {
    const to = start + whole;
    sumRun(simd, part(values, to), { before: before!.subarray(0, whole), after: part(owed.after, to) });
  }
  sumWithOwed(part(values), { before, after }, whole);
}
