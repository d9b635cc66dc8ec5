/** What every platform has: contracts, batches, orders, partitions and made-up data. */
export type { Column, DataContract, Dataset, DatasetSource, FieldContract, StoredType } from "./contract.ts";
export { elementsOf, storedBytes } from "./contract.ts";
export { assembleBatch, datasetFromRows, selectRows } from "./batch.ts";
export type { Batch } from "./batch.ts";
export { selectDataset } from "./selectDataset.ts";
export { checkContract } from "./checkContract.ts";
export { permutation, shuffledSlice } from "./permutation.ts";
export type { SliceOptions } from "./permutation.ts";
export { partitionByKey, partitionIid, partitionShards } from "./partition.ts";
export { Parts } from "./parts.ts";
export type { DirichletOptions } from "./partitionDirichlet.ts";
export { partitionDirichlet, partitionDirichletSizes } from "./partitionDirichlet.ts";
export { syntheticRegression, xor } from "./synthetic.ts";
export type { SyntheticRegressionOptions } from "./synthetic.ts";
export { splitDataset } from "./split.ts";
export type { SplitOptions } from "./split.ts";
export { augmentBatch, crop, flip, noise, shift } from "./augment.ts";
export type { AugmentOptions, Augmentation } from "./augment.ts";
export type { Tokenizer, TokenizerData } from "./text/tokenizer.ts";
export { fitCharacters } from "./text/characters.ts";
export { trainBytePairs } from "./text/bytePairs.ts";
export { tokenizerFrom } from "./text/tokenizerFrom.ts";
export { tokenWindows } from "./text/tokenWindows.ts";
export type { TokenWindowOptions } from "./text/tokenWindows.ts";
export { textSource } from "./text/textSource.ts";
export type { TextOptions, TextSource } from "./text/textSource.ts";
export { fitNormalization, normalizeDataset, normalized } from "./normalize.ts";
export type { Normalization, NormalizationOptions, NormalizedSource } from "./normalize.ts";
export { batchStream, mapStream, prefetch, shuffleStream } from "./stream.ts";
export type { ShuffleOptions, Stream } from "./stream.ts";
export type { Example } from "./example.ts";
export { datasetOf } from "./example.ts";
export { fromExamples, isStreamSource, streamed } from "./streamSource.ts";
export type {
  EpochPlace,
  ExampleSource,
  MapOptions,
  NumberedExample,
  OpenStream,
  StreamField,
  StreamSource,
} from "./streamSource.ts";
export { ContractError, DataFileError, DataRangeError } from "./errors.ts";
