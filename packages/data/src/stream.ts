/** Streams: examples that come one after another, from a file or a network, shuffled through a buffer and fetched ahead. */
import { DataRangeError } from "./errors.ts";
import { createGenerator } from "./generator.ts";

export type Stream<T> = Iterable<T> | AsyncIterable<T>;

export interface ShuffleOptions {
  /** Items held: the larger, the nearer to a full shuffle. */
  readonly size: number;
  readonly seed: number;
  /** Each epoch has its own order; default 0. */
  readonly epoch?: number;
}

/** The items in an order from the seed: each one comes out at random from among the `size` that are waiting. */
export async function* shuffleStream<T>(source: Stream<T>, options: ShuffleOptions): AsyncGenerator<T, void> {
  const { size, seed, epoch = 0 } = options;
  assertCount("shuffleStream: size", size);
  const generator = createGenerator("stream", seed, epoch);
  const waiting: T[] = [];
  const takeOne = () => {
    const place = generator.below(waiting.length);
    const taken = waiting[place]!;
    waiting[place] = waiting[waiting.length - 1]!;
    waiting.pop();
    return taken;
  };
  for await (const item of source) {
    waiting.push(item);
    if (waiting.length > size) yield takeOne();
  }
  while (waiting.length > 0) yield takeOne();
}

/** Groups of `size` items; the last one may be smaller. */
export async function* batchStream<T>(source: Stream<T>, size: number): AsyncGenerator<T[], void> {
  assertCount("batchStream: size", size);
  let batch: T[] = [];
  for await (const item of source) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/**
 * The same items, with the next `ahead` of them asked for before they are wanted: while a batch is trained on, the reading of
 * the next goes on. Errors of the source come where their item would. Leaving early closes the source.
 */
export async function* prefetch<T>(
  source: Stream<T>,
  options: { readonly ahead?: number } = {},
): AsyncGenerator<T, void> {
  const { ahead = 1 } = options;
  assertCount("prefetch: ahead", ahead);
  const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  const coming: Promise<IteratorResult<T>>[] = [];
  const ask = () => {
    const next = (async () => iterator.next())();
    next.catch(() => undefined); // whoever waits for this item hears of it
    coming.push(next);
  };
  try {
    for (let i = 0; i < ahead; i++) ask();
    for (;;) {
      ask();
      const next = await coming.shift();
      if (!next || next.done === true) return;
      yield next.value;
    }
  } finally {
    await iterator.return?.();
  }
}

/** Every item through `change`, in order, up to `parallel` of them at a time. */
export async function* mapStream<T, U>(
  source: Stream<T>,
  change: (item: T) => Promise<U>,
  parallel = 1,
): AsyncGenerator<U, void> {
  assertCount("mapStream: parallel", parallel);
  const coming: Promise<U>[] = [];
  for await (const item of source) {
    const next = change(item);
    next.catch(() => undefined); // whoever waits for this item hears of it
    coming.push(next);
    if (coming.length >= parallel) yield await coming.shift()!;
  }
  while (coming.length > 0) yield await coming.shift()!;
}

function assertCount(name: string, count: number): void {
  if (!Number.isInteger(count) || count < 1)
    throw new DataRangeError(`${name}: expected a whole number from 1, got ${count}`);
}
