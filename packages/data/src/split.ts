/** Divides a dataset in two: one part to train on, one to measure with. */
import type { Dataset } from "./contract.ts";
import { DataRangeError } from "./errors.ts";
import { createGenerator } from "./generator.ts";
import { shuffled } from "./permutation.ts";
import { selectDataset } from "./selectDataset.ts";

export interface SplitOptions {
  /** Share of the examples that goes to the test part, above 0 and below 1; rounded to whole examples, at least one. */
  readonly test: number;
  /** Which examples these are; default 0. */
  readonly seed?: number;
  /** False takes the last examples, as they stand, where order carries meaning (time, say); default true. */
  readonly shuffle?: boolean;
}

/**
 * Both parts keep the order of the whole. Copies.
 *
 * @throws {DataRangeError} when either part would be empty
 */
export function splitDataset(dataset: Dataset, options: SplitOptions): { train: Dataset; test: Dataset } {
  const { test: share, seed = 0, shuffle = true } = options;
  if (!(share > 0 && share < 1)) {
    throw new DataRangeError(`splitDataset: expected a share above 0 and below 1, got ${share}; give for example 0.2`);
  }
  const { size } = dataset;
  const held = Math.max(1, Math.round(size * share));
  if (held >= size) {
    throw new DataRangeError(`splitDataset: ${size} examples cannot give ${held} to the test part; add data`);
  }
  const order = shuffle
    ? shuffled(size, createGenerator("split", seed))
    : Uint32Array.from({ length: size }, (_, i) => i);
  return {
    train: selectDataset(dataset, order.subarray(0, size - held).toSorted()),
    test: selectDataset(dataset, order.subarray(size - held).toSorted()),
  };
}
