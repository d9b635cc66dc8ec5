/** What a fit is fed with: the batches of each epoch, from a dataset in a seeded order or from a stream, augmented and assembled. */
import type { Augmentation, Batch, Dataset, NumberedExample, OpenStream, StreamSource } from "@weft/data";
import {
  ContractError,
  assembleBatch,
  augmentBatch,
  batchStream,
  checkContract,
  datasetOf,
  permutation,
  prefetch,
} from "@weft/data";
import type { CheckedJob } from "@weft/worker";
import { programFor } from "@weft/worker";
import { JobError } from "../errors.ts";

export interface FedBatch {
  readonly batch: Batch;
  /** Rows of it that are examples. */
  readonly examples: number;
}

export interface Feed {
  /** Examples of an epoch; undefined where a stream has not said. */
  readonly size: number | undefined;
  /** Whether batches are read while others are trained on, which needs turns between the steps. */
  readonly readsAhead: boolean;
  /** The batches of an epoch (counted from 1) but for the first `skip`. */
  readonly batches: (epoch: number, skip: number) => Iterable<FedBatch> | AsyncIterable<FedBatch>;
}

export interface FeedOptions {
  readonly job: CheckedJob;
  readonly batchSize: number;
  readonly augmentations: readonly Augmentation[];
}

/** The order of examples is that of a run with one worker. */
export function datasetFeed(train: Dataset, options: FeedOptions): Feed {
  const { job, batchSize } = options;
  return {
    size: train.size,
    readsAhead: false,
    *batches(epoch, skip) {
      const order = permutation(train.size, job.document.seed, epoch - 1);
      for (let start = skip * batchSize; start < train.size; start += batchSize) {
        const rows = order.subarray(start, start + batchSize);
        yield fedBatch(train, rows, { ...options, epoch, numbers: rows });
      }
    },
  };
}

export function streamFeed(source: StreamSource, stream: OpenStream, options: FeedOptions): Feed {
  return {
    size: stream.size,
    readsAhead: true,
    batches: (epoch, skip) => prefetch(streamBatches(source.name, stream, { ...options, epoch, skip }), source),
  };
}

interface StreamPlace extends FeedOptions {
  readonly epoch: number;
  readonly skip: number;
}

async function* streamBatches(name: string, stream: OpenStream, options: StreamPlace): AsyncGenerator<FedBatch, void> {
  const { job, batchSize, epoch, skip } = options;
  let read = 0;
  let number = 0;
  for await (const examples of batchStream(stream.examples({ seed: job.document.seed, epoch: epoch - 1 }), batchSize)) {
    read += examples.length;
    assertSize(name, stream.size, { read, ended: false });
    if (++number <= skip) continue;
    yield await streamBatch(`${name}, batch ${number} of epoch ${epoch}`, examples, { ...options, stream });
  }
  assertSize(name, stream.size, { read, ended: true });
}

async function streamBatch(
  where: string,
  examples: readonly NumberedExample[],
  { stream, ...options }: FeedOptions & { stream: OpenStream; epoch: number },
): Promise<FedBatch> {
  const values = examples.map((example) => example.values);
  const dataset = await datasetOf(where, stream.fields, values);
  try {
    checkContract(dataset, options.job.document.data);
  } catch (cause) {
    throw cause instanceof ContractError ? new ContractError(`${where}: ${cause.message}`, { cause }) : cause;
  }
  const rows = Uint32Array.from(examples, (_, i) => i);
  return fedBatch(dataset, rows, { ...options, numbers: Uint32Array.from(examples, ({ index }) => index) });
}

/** @param options.numbers of the rows, from which their augmentation follows */
function fedBatch(
  dataset: Dataset,
  rows: Uint32Array,
  { job, augmentations, epoch, numbers }: FeedOptions & { epoch: number; numbers: Uint32Array },
): FedBatch {
  const plain = assembleBatch(dataset, rows, programFor(job, rows.length).batch);
  if (augmentations.length === 0) return { batch: plain, examples: rows.length };
  const place = { contract: dataset.contract, rows: numbers, seed: job.document.seed, epoch };
  return { batch: augmentBatch(plain, augmentations, place), examples: rows.length };
}

function assertSize(name: string, size: number | undefined, { read, ended }: { read: number; ended: boolean }): void {
  if (ended && read === 0)
    throw new JobError(`${name}: the stream has no examples; expected at least one in every epoch`);
  if (size === undefined || (ended ? read === size : read <= size)) return;
  throw new JobError(
    `${name}: expected ${size} examples in an epoch, as its size says, got ${ended ? read : "more"}; correct the size or leave it out`,
  );
}
