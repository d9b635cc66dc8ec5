/**
 * The coordinate-wise median and trimmed mean (Yin et al. 2018, Byzantine-robust distributed learning): element by element,
 * whatever a minority of the updates says is cut off. The result does not depend on the order of the updates, bit for bit.
 */
import { CombineRuleError } from "./errors.ts";

/** Combines the same block of every update; nothing but the blocks and the result takes memory. */
export type BlockRule = (updates: readonly Float32Array[], out: Float32Array) => void;

/** Elements sorted at a time, so that all updates' parts stay in the cache. */
const tileElements = 1024;

/** The middle of the updates, or the mean of the two in the middle. Overwrites the updates. */
export const median: BlockRule = (updates, out) => {
  const middle = updates.length >> 1;
  meanOfSorted(updates, { from: updates.length % 2 === 0 ? middle - 1 : middle, to: middle + 1 }, out);
};

/**
 * The mean of what is left without the ⌊fraction · n⌋ least and as many greatest of n updates. The rule overwrites the updates.
 *
 * @param fraction cut off at each end, below ½
 * @throws {CombineRuleError} for another fraction
 */
export function trimmedMean(fraction: number): BlockRule {
  if (!(fraction >= 0 && fraction < 0.5)) {
    throw new CombineRuleError(`a trimmed mean cuts a fraction of 0 to below 0.5 off each end, got ${fraction}`);
  }
  return (updates, out) => {
    const cut = Math.floor(fraction * updates.length);
    meanOfSorted(updates, { from: cut, to: updates.length - cut }, out);
  };
}

function meanOfSorted(updates: readonly Float32Array[], { from, to }: Range, out: Float32Array): void {
  if (updates.length === 0) throw new CombineRuleError("no update to combine; at least one expected");
  const odd = updates.find(({ length }) => length !== out.length);
  if (odd !== undefined) {
    throw new CombineRuleError(`blocks of ${out.length} elements expected, one has ${odd.length}`);
  }
  const comparators = sortingNetwork(updates.length);
  for (let start = 0; start < out.length; start += tileElements) {
    const end = Math.min(start + tileElements, out.length);
    const rows = updates.map((update) => update.subarray(start, end));
    for (const [low, high] of comparators) exchange(rows[low]!, rows[high]!);
    const sums = new Float64Array(end - start);
    // From the least to the greatest, whoever sent them.
    for (const row of rows.slice(from, to)) for (let i = 0; i < row.length; i++) sums[i]! += row[i]!;
    for (let i = 0; i < sums.length; i++) out[start + i] = sums[i]! / (to - from);
  }
}

interface Range {
  readonly from: number;
  readonly to: number;
}

/** Element by element the lesser goes to `low`; -0 is less than 0. */
function exchange(low: Float32Array, high: Float32Array): void {
  for (let i = 0; i < low.length; i++) {
    const [x, y] = [low[i]!, high[i]!];
    low[i] = Math.min(x, y);
    high[i] = Math.max(x, y);
  }
}

const networks = new Map<number, readonly (readonly [number, number])[]>();

/** Batcher's odd-even merge sort of `count` lines: the same comparisons whatever the values, so whole rows are sorted at once. */
function sortingNetwork(count: number): readonly (readonly [number, number])[] {
  const known = networks.get(count);
  if (known !== undefined) return known;
  const network: [number, number][] = [];
  for (let p = 1; p < count; p *= 2) {
    for (let k = p; k >= 1; k /= 2) {
      for (let j = k % p; j + k < count; j += 2 * k) {
        for (let i = 0; i < Math.min(k, count - j - k); i++) {
          if (Math.floor((i + j) / (2 * p)) === Math.floor((i + j + k) / (2 * p))) network.push([i + j, i + j + k]);
        }
      }
    }
  }
  networks.set(count, network);
  return network;
}
