/** What a combine rule is: how the updates of a round become one, block by block. */

import type { Slab } from "@weft/vector";

/** What a round promises about its updates. */
export interface CombinationOptions {
  /** Elements of the flat vector. */
  readonly size: number;
  /** Updates that may be combined at once. */
  readonly contributions: number;
  /** Largest magnitude of a value; near the values, for it sets the precision of the sums (see `createAccumulator`). */
  readonly bound: number;
  /** Largest weight of an update, an integer. */
  readonly maxWeight: number;
  /** Memory for sums, which each take 8 bytes (`createAccumulator`); its own if absent. */
  readonly slabs?: readonly Slab[] | undefined;
}

/**
 * The updates of one round on their way into one. Whatever the order of the calls, the result is the same, bit for bit; a
 * call that throws has changed nothing.
 */
export interface Combination {
  /** Room for a block's values, until the next call: what is put there, `add` need not copy. */
  room(block: number): Float32Array;
  /**
   * Folds one block of an update in, as soon as it arrives. Values are read, not kept. Returns the sum of their squares, to
   * some 1e-6.
   *
   * @param weight the examples behind the update: the same integer for all its blocks; zero contributes nothing
   * @throws {LengthError | ValueError | WeightError | GridError} as `Accumulator.addBlock` does
   */
  add(block: number, values: Float32Array, weight: number): number;
  /** Takes a block of an update out again, with the arguments it was added with, leaving no trace. */
  subtract(block: number, values: Float32Array, weight: number): void;
  /**
   * Total weight of the updates as the rule weighs them: their examples, or one each.
   *
   * @throws {WeightError} when blocks differ in weight, because an update is only partly there
   */
  readonly weight: number;
  /**
   * Writes the combined block.
   *
   * @param totalWeight by which the sum is divided; default the updates' own. A greater one shrinks the mean, as updates
   *   discounted for their age ask for.
   * @throws {WeightError} when the total weight is zero, or blocks differ in it
   */
  result(block: number, out: Float32Array, totalWeight?: number): void;
  /** Forgets all updates; the memory serves the next round. */
  reset(): void;
  /** The last call: what memory it was given is its owner's again. */
  close(): void;
}

/** A rule that folds blocks in as they arrive: its memory does not grow with the number of updates. */
export interface CombineRule {
  readonly name: string;
  readonly memory: "streaming";
  /** @throws {GridError} when an option is out of range */
  open(options: CombinationOptions): Combination;
}
