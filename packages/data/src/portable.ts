/** What every platform has: contracts, batches, orders, partitions and made-up data. */
export type { Column, DataContract, Dataset, DatasetSource, FieldContract, StoredType } from "./contract.ts";
export { elementsOf, storedBytes } from "./contract.ts";
export { assembleBatch, datasetFromRows, selectRows } from "./batch.ts";
export type { Batch } from "./batch.ts";
export { selectDataset } from "./selectDataset.ts";
export { checkContract } from "./checkContract.ts";
export { permutation, shuffledSlice } from "./permutation.ts";
export type { SliceOptions } from "./permutation.ts";
export { partitionIid, partitionShards } from "./partition.ts";
export { syntheticRegression, xor } from "./synthetic.ts";
export type { SyntheticRegressionOptions } from "./synthetic.ts";
export { splitDataset } from "./split.ts";
export type { SplitOptions } from "./split.ts";
export { augmentBatch, crop, flip, noise, shift } from "./augment.ts";
export type { AugmentOptions, Augmentation } from "./augment.ts";
export { ContractError, DataFileError, DataRangeError } from "./errors.ts";
