/** Sources whose training examples come one after another: described as a pipeline, run anew for each epoch of `fit`. */
import type { Augmentation } from "./augment.ts";
import { augmentExample } from "./augment.ts";
import { assembleBatch } from "./batch.ts";
import type { Dataset, DatasetSource, FieldContract } from "./contract.ts";
import { ContractError, DataRangeError } from "./errors.ts";
import type { Example } from "./example.ts";
import { contractOf, datasetOf } from "./example.ts";
import type { Stream } from "./stream.ts";
import { mapStream, shuffleStream } from "./stream.ts";

/** What an epoch's randomness follows from. */
export interface EpochPlace {
  readonly seed: number;
  /** Counts from 0. */
  readonly epoch: number;
}

/** An example and its number in the source, before any shuffling: what its augmentation follows from. */
export interface NumberedExample {
  readonly index: number;
  readonly values: Example;
}

/** What `open` gives. Examples that `examples` yields fit `fields`, or are found out when they are put together. */
export interface OpenStream {
  readonly fields: readonly FieldContract[];
  readonly test: Dataset;
  /** Examples in one epoch, where that is known. */
  readonly size: number | undefined;
  readonly examples: (place: EpochPlace) => AsyncIterable<NumberedExample>;
}

export interface MapOptions {
  /** What examples are afterwards, where shapes or dtypes change. */
  readonly fields?: readonly StreamField[];
  /** Examples in the making at a time, for functions that wait for files or a network; default 1. */
  readonly parallel?: number;
}

/** Each method gives a new source; the old one stays as it is. */
export interface StreamSource extends DatasetSource {
  /** Shuffled through a buffer of so many examples, in another order each epoch: the larger, the nearer to a full shuffle. */
  shuffle(size: number): StreamSource;
  /** Every example, of the test set too, through a function that depends on nothing else: decoding, scaling, cutting. */
  map(change: (example: Example) => Example | Promise<Example>, options?: MapOptions): StreamSource;
  /** Random changes to the inputs of training examples: the same ones for the same seed, epoch and example. */
  augment(...augmentations: readonly Augmentation[]): StreamSource;
  /** Batches read and made ready, at most, before the model asks for them; default 1. Their reading goes on while it trains. */
  prefetch(batches: number): StreamSource;
  readonly ahead: number;
  readonly open: () => Promise<OpenStream>;
}

/** `dtype` is "f32" unless said otherwise. */
export type StreamField = Pick<FieldContract, "name" | "shape"> & Partial<Pick<FieldContract, "dtype" | "range">>;

export interface ExampleSource {
  /** Names the data in messages; default "examples". */
  readonly name?: string;
  /** The model's input first, the target last. */
  readonly fields: readonly StreamField[];
  /** Called for each epoch; reads from the start. */
  readonly train: () => Stream<Example>;
  /** Called once; what it yields is kept in memory. */
  readonly test: () => Stream<Example>;
  /** Examples that `train` yields. Without it, progress knows no end and an epoch is over when the stream is. */
  readonly size?: number;
}

/**
 * Examples from a generator of one's own, which need not fit into memory:
 *
 * ```ts
 * fromExamples({
 *   fields: [{ name: "image", shape: [28, 28, 1] }, { name: "label", shape: [], dtype: "i32", range: [0, 9] }],
 *   train: () => readRecords("train.bin"),
 *   test: () => readRecords("test.bin"),
 * }).shuffle(10_000).augment(shift({ pixels: 2 })).prefetch(2)
 * ```
 */
export function fromExamples({ name = "examples", fields, train, test, size }: ExampleSource): StreamSource {
  if (size !== undefined) assertCount(`${name}: size`, size);
  const contract = contractOf(name, fields);
  return pipeline({ name, ahead: 1, stage: 1 }, async () => ({
    fields: contract,
    test: await datasetOf(name, contract, test()),
    size,
    examples: () => numbered(train()),
  }));
}

/** A dataset as a stream, in the order in which it is stored. Rows are put together as they are asked for. */
export function streamed(source: DatasetSource): StreamSource {
  return pipeline({ name: source.name, ahead: 1, stage: 1 }, async () => {
    const { train, test } = await source.load();
    const fields = contractOf(source.name, train.contract.fields);
    return { fields, test, size: train.size, examples: () => numbered(rowsOf(train)) };
  });
}

export function isStreamSource(source: DatasetSource): source is StreamSource {
  return "open" in source;
}

interface PipelineState {
  readonly name: string;
  readonly ahead: number;
  /** Counts what was called, so that each call of `augment` draws numbers of its own; `fit`'s own augmentations are stage 0. */
  readonly stage: number;
}

function pipeline(state: PipelineState, open: () => Promise<OpenStream>): StreamSource {
  const { name, ahead, stage } = state;
  const then = (change: (stream: OpenStream) => OpenStream | Promise<OpenStream>) =>
    pipeline({ ...state, stage: stage + 1 }, async () => change(await open()));
  return {
    name,
    ahead,
    open,
    load: () =>
      Promise.reject(
        new ContractError(
          `${name}: expected a dataset, got a stream, which only fit trains on; give the source itself where examples are sent or numbered`,
        ),
      ),
    shuffle(size) {
      assertCount("shuffle", size);
      return then((stream) => ({
        ...stream,
        examples: (place) => shuffleStream(stream.examples(place), { size, ...place }),
      }));
    },
    map(change, { fields, parallel = 1 } = {}) {
      assertCount("map: parallel", parallel);
      return then(async (stream) => {
        const mapped = fields ? contractOf(name, fields) : unbounded(stream.fields);
        const test = mapStream(rowsOf(stream.test), async (row) => change(row), parallel);
        return {
          size: stream.size,
          fields: mapped,
          test: await datasetOf(name, mapped, test),
          examples: (place) =>
            mapStream(
              stream.examples(place),
              async ({ index, values }) => ({ index, values: await change(values) }),
              parallel,
            ),
        };
      });
    },
    augment(...augmentations) {
      return then((stream) => ({
        ...stream,
        fields: unbounded(stream.fields),
        examples: (place) => augmented(stream, augmentations, { ...place, stage }),
      }));
    },
    prefetch(batches) {
      assertCount("prefetch", batches);
      return pipeline({ ...state, ahead: batches }, open);
    },
  };
}

/** Changed floats may leave the range that they had; classes may not. */
const unbounded = (fields: readonly FieldContract[]): FieldContract[] =>
  fields.map((field) => (field.dtype === "f32" ? { ...field, range: undefined } : field));

async function* augmented(
  { fields, examples }: OpenStream,
  augmentations: readonly Augmentation[],
  place: EpochPlace & { readonly stage: number },
): AsyncGenerator<NumberedExample, void> {
  const [field] = fields;
  for await (const { index, values } of examples(place)) {
    const [input, ...others] = values;
    const changed = augmentExample(input, augmentations, { field, row: index, ...place, epoch: place.epoch + 1 });
    yield { index, values: [changed, ...others] };
  }
}

async function* numbered(examples: Stream<Example>): AsyncGenerator<NumberedExample, void> {
  let index = 0;
  for await (const values of examples) yield { index: index++, values };
}

function* rowsOf(dataset: Dataset): Generator<Example, void> {
  for (let row = 0; row < dataset.size; row++) {
    yield assembleBatch(dataset, [row], 1).fields.map((values, f) =>
      dataset.contract.fields[f]!.shape.length === 0 ? values[0]! : values,
    );
  }
}

function assertCount(name: string, count: number): void {
  if (Number.isInteger(count) && count > 0) return;
  throw new DataRangeError(`${name}: expected a whole number from 1, got ${count}`);
}
