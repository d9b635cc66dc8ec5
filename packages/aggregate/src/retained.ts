/** Updates that are checked as they arrive and combined only once all are there, for rules that have to see them side by side. */
import {
  blockCount,
  blockElements,
  blockRange,
  checkWeight,
  createGrid,
  GridError,
  LengthError,
  squaredNorm,
  ValueError,
} from "@weft/vector";
import type { Combination, CombinationOptions } from "./combineRule.ts";

/** Takes what sums would take, and keeps nothing but the count: it has no result, for that comes from the updates themselves. */
export function openRetained({ size, contributions, bound, maxWeight }: CombinationOptions): Combination {
  createGrid({ contributions, bound, maxWeight });
  const counts = new Uint32Array(blockCount(size));
  const check = (block: number, values: Float32Array, weight: number): number => {
    const { start, end } = blockRange(size, block);
    if (values.length !== end - start) {
      throw new LengthError(`block ${block} has ${end - start} elements, got ${values.length}`);
    }
    checkWeight(weight, maxWeight);
    const norm = squaredNorm(values);
    // NaN fails; element by element only where the whole is beyond what each may be.
    if (!(norm <= bound * bound) && values.some((value) => !(Math.abs(value) <= bound))) {
      throw new ValueError(`block ${block}: finite values of magnitude at most ${bound} expected`);
    }
    return norm;
  };
  const scratch = new Float32Array(Math.min(size, blockElements));
  return {
    room(block) {
      const { start, end } = blockRange(size, block);
      return scratch.subarray(0, end - start);
    },
    add(block, values, weight) {
      const norm = check(block, values, weight);
      if (counts[block]! >= contributions) {
        throw new GridError(`block ${block} already has ${contributions} updates, all that there was to be room for`);
      }
      counts[block]! += 1;
      return norm;
    },
    subtract(block, values, weight) {
      check(block, values, weight);
      if (counts[block] === 0) throw new GridError(`block ${block} has no update to take out`);
      counts[block]! -= 1;
    },
    get weight(): number {
      return counts[0] ?? 0;
    },
    result: () => {
      throw new Error("updates that are kept are combined from where they lie");
    },
    reset: () => void counts.fill(0),
    close: () => undefined,
  };
}
