/**
 * The coordinate-wise median and trimmed mean (Yin et al. 2018, Byzantine-robust distributed learning): element by element,
 * whatever a minority of the updates says is cut off. The result does not depend on the order of the updates, bit for bit.
 */
import { CombineRuleError } from "./errors.ts";
import { type Ranks, sortedSums } from "./sortedSums.ts";

/** Combines the same block of every update; nothing but the blocks and the result takes memory. */
export type BlockRule = (updates: readonly Float32Array[], out: Float32Array) => void;

/** The middle of the updates, or the mean of the two in the middle. May overwrite the updates. */
export const median: BlockRule = (updates, out) => {
  const middle = updates.length >> 1;
  meanOfSorted(updates, { from: updates.length % 2 === 0 ? middle - 1 : middle, to: middle + 1 }, out);
};

/**
 * The mean of what is left without the ⌊fraction · n⌋ least and as many greatest of n updates. The rule may overwrite the updates.
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

function meanOfSorted(updates: readonly Float32Array[], ranks: Ranks, out: Float32Array): void {
  if (updates.length === 0) throw new CombineRuleError("no update to combine; at least one expected");
  const odd = updates.find(({ length }) => length !== out.length);
  if (odd !== undefined) {
    throw new CombineRuleError(`blocks of ${out.length} elements expected, one has ${odd.length}`);
  }
  const { elements, sums: sorted } = sortedSums(updates.length);
  const sums = new Float64Array(elements);
  for (let start = 0; start < out.length; start += elements) {
    const end = Math.min(start + elements, out.length);
    const tile = sums.subarray(0, end - start);
    sorted(
      updates.map((update) => update.subarray(start, end)),
      ranks,
      tile,
    );
    for (let i = 0; i < tile.length; i++) out[start + i] = tile[i]! / (ranks.to - ranks.from);
  }
}
