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
export interface NumberedExample<T = Example> {
  readonly index: number;
  readonly values: T;
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

/** Each method gives a new source; the old one stays as it is. What it yields must be examples by the time that it is trained on. */
export interface StreamSource<T = Example> extends DatasetSource {
  /** Shuffled through a buffer of so many examples, in another order each epoch: the larger, the nearer to a full shuffle. */
  shuffle(size: number): StreamSource<T>;
  /** Every example, of the test set too, through a function that depends on nothing else: decoding, scaling, cutting. */
  map<U = Example>(change: (item: T) => U | Promise<U>, options?: MapOptions): StreamSource<U>;
  /** Random changes to the inputs of training examples: the same ones for the same seed, epoch and example. */
  augment(this: StreamSource, ...augmentations: readonly Augmentation[]): StreamSource;
  /** Batches read and made ready, at most, before the model asks for them; default 1. Their reading goes on while it trains. */
  prefetch(batches: number): StreamSource<T>;
  readonly ahead: number;
  readonly open: () => Promise<OpenStream>;
}

/** `dtype` is "f32" unless said otherwise. */
export type StreamField = Pick<FieldContract, "name" | "shape"> & Partial<Pick<FieldContract, "dtype" | "range">>;

export interface ExampleSource<T = Example> {
  /** Names the data in messages; default "examples". */
  readonly name?: string;
  /** What examples are in the end: the model's input first, the target last. */
  readonly fields: readonly StreamField[];
  /** Called for each epoch; reads from the start. Yields examples, or what `map` makes examples of: names of files, lines. */
  readonly train: () => Stream<T>;
  /** Called once; the examples it yields are kept in memory. */
  readonly test: () => Stream<T>;
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
export function fromExamples<T = Example>(source: ExampleSource<T>): StreamSource<T> {
  const { name = "examples", fields, train, test, size } = source;
  if (size !== undefined) assertCount(`${name}: size`, size);
  const contract = contractOf(name, fields);
  return pipeline<T>({ name, ahead: 1, stage: 1 }, () =>
    Promise.resolve({ fields: contract, test, size, examples: () => numbered(train()) }),
  );
}

/** A dataset as a stream, in the order in which it is stored. Rows are put together as they are asked for. */
export function streamed(source: DatasetSource): StreamSource {
  return pipeline<Example>({ name: source.name, ahead: 1, stage: 1 }, async () => {
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

/** A stream on its way to examples. */
interface Draft<T> {
  readonly fields: readonly FieldContract[];
  /** A dataset as long as nothing has to become of it. */
  readonly test: Dataset | (() => Stream<T>);
  readonly size: number | undefined;
  readonly examples: (place: EpochPlace) => AsyncIterable<NumberedExample<T>>;
}

function pipeline<T>(state: PipelineState, draft: () => Promise<Draft<T>>): StreamSource<T> {
  const { name, ahead, stage } = state;
  const then = <U>(change: (stream: Draft<T>) => Draft<U>) =>
    pipeline<U>({ ...state, stage: stage + 1 }, async () => change(await draft()));
  return {
    name,
    ahead,
    async open() {
      // The types of what is yielded end here: `datasetOf` looks at what came, there and for every batch.
      const { test, ...stream } = (await draft()) as Draft<unknown> as Draft<Example>;
      return { ...stream, test: typeof test === "function" ? await datasetOf(name, stream.fields, test()) : test };
    },
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
    map<U>(change: (item: T) => U | Promise<U>, { fields, parallel = 1 }: MapOptions = {}) {
      assertCount("map: parallel", parallel);
      return then<U>(({ test, ...stream }) => {
        const items = () => (typeof test === "function" ? test() : (rowsOf(test) as Iterable<T>));
        const changed = async ({ index, values }: NumberedExample<T>) => ({ index, values: await change(values) });
        return {
          size: stream.size,
          fields: fields ? contractOf(name, fields) : unbounded(stream.fields),
          test: () => mapStream(items(), async (item) => change(item), parallel),
          examples: (place) => mapStream(stream.examples(place), changed, parallel),
        };
      });
    },
    augment(...augmentations) {
      return then<Example>((stream) => {
        const examples = stream as Draft<unknown> as Draft<Example>;
        const fields = unbounded(stream.fields);
        return {
          ...examples,
          fields,
          examples: (place) => augmented(examples, augmentations, { ...place, stage }),
        };
      });
    },
    prefetch(batches) {
      assertCount("prefetch", batches);
      return pipeline<T>({ ...state, ahead: batches }, draft);
    },
  };
}

/** Changed floats may leave the range that they had; classes may not. */
const unbounded = (fields: readonly FieldContract[]): FieldContract[] =>
  fields.map((field) => (field.dtype === "f32" ? { ...field, range: undefined } : field));

async function* augmented(
  { fields, examples }: Draft<Example>,
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

async function* numbered<T>(examples: Stream<T>): AsyncGenerator<NumberedExample<T>, void> {
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
