/**
 * Which values of a run are largest in magnitude: two passes of counting over their bits, no sorting of the whole. By SIMD, one
 * pass that finds what is above a guess, and a selection among that.
 */
import { codesAt, type Kernels, owedAt, valuesAt } from "../kernels/kernels.ts";
import type { Owed } from "./blockCodec.ts";
import { type LoadedRun, sumRun } from "./loadRun.ts";

/** Upper half of an f32's magnitude: sign left out, so 2^15 of them. */
const bins = 2 ** 15;

/**
 * Places of the `kept` largest magnitudes, ascending; of equal ones the first.
 *
 * @param values finite; at least `kept` of them
 */
export function largestPlaces(values: Float32Array, kept: number): Uint32Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const counts = new Uint32Array(bins);
  for (let i = 0; i < words.length; i++) counts[(words[i]! & 0x7fffffff) >>> 16]! += 1;
  // Everything above `bin` is kept, and `missing` of those in it.
  let bin = bins;
  let missing = kept;
  while (bin > 0 && (bin === bins || counts[bin]! < missing)) {
    if (bin < bins) missing -= counts[bin]!;
    bin -= 1;
  }
  const lowest = thresholdWithin(words, bin, missing);
  const places = new Uint32Array(kept);
  let found = 0;
  let { ties } = lowest;
  for (let i = 0; i < words.length; i++) {
    const magnitude = words[i]! & 0x7fffffff;
    if (magnitude < lowest.magnitude) continue;
    if (magnitude === lowest.magnitude && ties-- <= 0) continue;
    places[found++] = i;
  }
  return places;
}

/** The smallest magnitude to keep when `wanted` of a bin's are, and how many equal to it. */
function thresholdWithin(words: Uint32Array, bin: number, wanted: number): { magnitude: number; ties: number } {
  const counts = new Uint32Array(65536);
  for (let i = 0; i < words.length; i++) {
    if ((words[i]! & 0x7fffffff) >>> 16 === bin) counts[words[i]! & 0xffff]! += 1;
  }
  let low = 65535;
  let ties = wanted;
  while (counts[low]! < ties) ties -= counts[low--]!;
  return { magnitude: bin * 65536 + low, ties };
}

/** Magnitude that some more than are kept of the run before reach, as bits: where to look first. It matters to the time taken alone. */
let guess = 0;
/** A 128th of a power of two. */
const firstStep = 0x00010000;
const beyondAll = 0x7f800000;

/** Values that kernels reach, filled up to a multiple of sixteen with zeros. */
export interface Loaded {
  readonly kernels: Kernels;
  readonly at: number;
  /** How many `sumAndSeek` has found. */
  readonly found?: number | undefined;
}

/** As `sumRun`, and what `largestPlacesBy` begins with, in the same pass. */
export function sumAndSeek(simd: Kernels, values: Float32Array, owed: Owed): LoadedRun & Pick<Loaded, "found"> {
  let found: number | undefined;
  const run = sumRun(simd, values, owed, (_, { before, after, count }) => {
    found = simd.sumsAndPlaces(valuesAt, before, after, count, codesAt, owedAt, guess);
    // NaN and infinities are above every guess.
    const magnitudes = new Uint32Array(simd.bytes.buffer, owedAt, found);
    let largest = 0;
    for (let i = 0; i < found; i++) if (magnitudes[i]! > largest) largest = magnitudes[i]!;
    return largest;
  });
  return { ...run, found };
}

/**
 * As `largestPlaces`, of values that kernels reach.
 *
 * @param values the same, without what fills them up
 */
export function largestPlacesBy(loaded: Loaded, values: Float32Array, kept: number): Uint32Array {
  const { places: candidates, magnitudes } = candidatesIn(loaded, values.length, kept);
  const partly = magnitudes.slice();
  const least = nthLargest(partly, kept);
  guess = guessAfter(partly, kept);
  let ties = kept;
  for (let i = 0; i < magnitudes.length; i++) if (magnitudes[i]! > least) ties -= 1;
  const places = new Uint32Array(kept);
  let at = 0;
  for (let i = 0; at < kept; i++) {
    const magnitude = magnitudes[i]!;
    if (magnitude < least || (magnitude === least && ties-- <= 0)) continue;
    places[at++] = candidates[i]!;
  }
  return places;
}

/** Places and magnitudes of at least `kept` values, the largest among them, and where that can be of not many more. */
function candidatesIn({ kernels, at, found: before }: Loaded, elements: number, kept: number) {
  const count = Math.ceil(elements / 16) * 16;
  const placesFrom = (least: number) => kernels.places(at, codesAt, owedAt, count, least);
  let found = before ?? placesFrom(guess);
  if (found < kept || found > 4 * kept + 64) found = placesFrom(leastFor({ kernels, at }, count, kept));
  // Those that fill the run up come last.
  const real = Math.min(found, elements);
  const { buffer } = kernels.bytes;
  return { places: new Uint16Array(buffer, codesAt, real), magnitudes: new Uint32Array(buffer, owedAt, real) };
}

/** @param candidates of which the first `kept` are the largest */
function guessAfter(candidates: Uint32Array, kept: number): number {
  const spare = Math.min(candidates.length - kept, kept >> 1);
  const least = spare > 0 ? nthLargest(candidates.subarray(kept), spare) : candidates[kept - 1]!;
  return spare >= kept >> 2 ? least : Math.max(0, least - firstStep);
}

/** Bits that `kept` magnitudes reach, and not many more than that. */
function leastFor({ kernels, at }: Loaded, count: number, kept: number): number {
  const enough = 2 * kept + 64;
  // At least as many as are kept reach `low`, fewer reach `high`.
  let [low, high] = [0, beyondAll];
  let step = firstStep;
  for (let probe = guess; high - low > 1;) {
    const found = kernels.count(at, count, probe);
    if (found >= kept) {
      low = probe;
      if (found <= enough) break;
    } else high = probe;
    // Away from the guess in growing steps until it lies between, then by halves.
    if (high === beyondAll) probe = Math.min(low + step, beyondAll - 1);
    else if (low === 0) probe = Math.max(high - step, 1);
    else probe = low + ((high - low) >> 1);
    step *= 4;
  }
  return low;
}

/** The n-th largest, from 1, of at least n words, which are left in another order (quickselect, Hoare 1961). */
function nthLargest(words: Uint32Array, n: number): number {
  let [from, to] = [0, words.length];
  for (;;) {
    const pivot = words[(from + to) >> 1]!;
    // [from, above) is greater, [below, to) is less, and equal between.
    let [above, i, below] = [from, from, to];
    while (i < below) {
      const word = words[i]!;
      if (word > pivot) {
        words[i++] = words[above]!;
        words[above++] = word;
      } else if (word < pivot) {
        words[i] = words[--below]!;
        words[below] = word;
      } else i += 1;
    }
    if (n <= above) to = above;
    else if (n <= below) return pivot;
    else from = below;
  }
}
