/** The mean of the updates: by examples (McMahan et al. 2017, federated averaging; data-parallel gradients), or one vote each. */
import { type Accumulator, blockCount, checkWeight, createAccumulator, WeightError } from "@weft/vector";
import type { Combination, CombinationOptions, CombineRule } from "./combineRule.ts";

/** Every update weighs as many examples as it was made from. */
export const meanRule: CombineRule = {
  name: "mean",
  memory: "streaming",
  open: (options) => openMean(options, { maxWeight: options.maxWeight, weigh: (examples) => examples }),
};

/** Every update made from at least one example weighs the same. */
export const uniformMeanRule: CombineRule = {
  name: "uniform-mean",
  memory: "streaming",
  open: (options) => openMean(options, { maxWeight: 1, weigh: (examples) => Math.min(examples, 1) }),
};

interface Weighting {
  /** Largest value of `weigh`. */
  readonly maxWeight: number;
  readonly weigh: (examples: number) => number;
}

function openMean(
  { size, contributions, bound, maxWeight: maxExamples, slabs }: CombinationOptions,
  { maxWeight, weigh }: Weighting,
): Combination {
  let opened: Accumulator | undefined = createAccumulator(size, { contributions, bound, maxWeight }, slabs);
  const sums = (): Accumulator => {
    if (opened === undefined) throw new Error("a combination was used after it was closed");
    return opened;
  };
  const blocks = blockCount(size);
  const weightOf = (examples: number): number => {
    checkWeight(examples, maxExamples);
    return weigh(examples);
  };
  const totalWeight = (): number => {
    const weight = blocks === 0 ? 0 : sums().weightOf(0);
    for (let block = 1; block < blocks; block++) {
      if (sums().weightOf(block) === weight) continue;
      throw new WeightError(
        `block ${block} weighs ${sums().weightOf(block)}, block 0 ${weight}; complete or subtract the update that is partly there`,
      );
    }
    return weight;
  };
  return {
    room: (block) => sums().room(block),
    add: (block, values, examples) => sums().addBlock(block, values, weightOf(examples)),
    subtract: (block, values, examples) => sums().subtractBlock(block, values, weightOf(examples)),
    get weight() {
      return totalWeight();
    },
    result: (block, out, divisor = totalWeight()) => sums().meanBlock(block, divisor, out),
    reset: () => sums().reset(),
    close: () => {
      opened = undefined;
    },
  };
}
