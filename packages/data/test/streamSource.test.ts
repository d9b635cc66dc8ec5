/** Sources that are streams: what their pipelines give, in which order, and what they refuse. */
import { describe, expect, test } from "vitest";
import type { Augmentation, Example, NumberedExample, StreamSource } from "@weft/data";
import { assembleBatch, augmentBatch, digits, fromExamples, mapStream, noise, streamed, xor } from "@weft/data";

const fields = [
  { name: "x", shape: [2] },
  { name: "y", shape: [], dtype: "i32" },
] as const;

function* examples(count: number): Generator<Example> {
  for (let i = 0; i < count; i++) yield [[i, i + 0.5], i];
}

const source = (count = 50) =>
  fromExamples({ name: "counted", fields, train: () => examples(count), test: () => examples(3) });

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function epochOf(stream: StreamSource, epoch = 0, seed = 7): Promise<NumberedExample[]> {
  const { examples: open } = await stream.open();
  return collect(open({ seed, epoch }));
}

const targets = (items: readonly NumberedExample[]) => items.map(({ values }) => values[1]);

describe("a stream source", () => {
  test("gives its examples in their order, numbered, and its test examples as a dataset", async () => {
    const items = await epochOf(source());
    expect(items.map(({ index }) => index)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    const { test: held } = await source().open();
    expect(held.size).toBe(3);
    expect(held.columns).toEqual([Float32Array.of(0, 0.5, 1, 1.5, 2, 2.5), Int32Array.of(0, 1, 2)]);
  });

  test("shuffles each epoch anew, the same for the same seed, numbers going with their examples", async () => {
    const shuffled = source().shuffle(10);
    const first = await epochOf(shuffled);
    expect(targets(first)).not.toEqual(targets(await epochOf(source())));
    expect(targets(first).toSorted((a, b) => Number(a) - Number(b))).toEqual(targets(await epochOf(source())));
    expect(await epochOf(shuffled)).toEqual(first);
    expect(await epochOf(shuffled, 1)).not.toEqual(first);
    for (const { index, values } of first) expect(values[1]).toBe(index);
  });

  test("maps the test examples too, to other fields if it says so, and waits for what is promised", async () => {
    const wide = [{ name: "x", shape: [3] }, fields[1]];
    const mapped = source().map(([, y]) => Promise.resolve([[Number(y), 1, 2], Number(y) + 1]), {
      fields: wide,
      parallel: 4,
    });
    expect((await epochOf(mapped))[5]).toEqual({ index: 5, values: [[5, 1, 2], 6] });
    const opened = await mapped.open();
    expect(opened.fields[0]).toMatchObject({ name: "x", shape: [3], dtype: "f32" });
    expect(opened.test.columns[1]).toEqual(Int32Array.of(1, 2, 3));
  });

  test("makes examples of whatever the generator yields", async () => {
    const lines = () => ["1,2,3", "4,5,6"];
    const parsed = fromExamples({ name: "lines", fields, train: lines, test: lines })
      .map((line) => line.split(",").map(Number))
      .map(([a = NaN, b = NaN, c = NaN]) => [[a, b], c]);
    expect((await epochOf(parsed))[1]).toEqual({ index: 1, values: [[4, 5], 6] });
    expect((await parsed.open()).test.columns[1]).toEqual(Int32Array.of(3, 6));
    const raw = fromExamples({ name: "lines", fields, train: lines, test: lines });
    await expect(raw.open()).rejects.toThrow(/lines, example 0: expected a list of 2 fields .* got string/);
  });

  test("augments by seed, epoch and example, whatever the order; targets and the test set stay", async () => {
    const noisy = source().augment(noise({ std: 1 }));
    const first = await epochOf(noisy);
    const other = await epochOf(
      source()
        .shuffle(20)
        .augment(noise({ std: 1 })),
    );
    expect(other.toSorted((a, b) => a.index - b.index)).not.toEqual(await epochOf(source()));
    // One call of shuffle more, so other numbers; but the same ones in any order of the same pipeline.
    const reordered = await epochOf(
      source()
        .shuffle(5)
        .augment(noise({ std: 1 })),
    );
    expect(reordered.toSorted((a, b) => a.index - b.index)).toEqual(other.toSorted((a, b) => a.index - b.index));
    expect(await epochOf(noisy, 1)).not.toEqual(first);
    expect(targets(first)).toEqual(targets(await epochOf(source())));
    const { test: held } = await noisy.open();
    expect(held).toEqual((await source().open()).test);
    const draws: number[] = [];
    const draw: Augmentation = (values, _shape, generator) => (draws.push(generator.unit()), values);
    await epochOf(source(1).augment(draw).augment(draw));
    expect(new Set(draws).size).toBe(2);
  });

  test("made of a dataset has its values, scaled, and its test set as it is", async () => {
    const { train, test: held } = await digits().load();
    const stream = await streamed(digits()).open();
    expect(stream.size).toBe(train.size);
    expect(stream.test).toEqual(held);
    const [first] = await epochOf(streamed(digits()));
    expect(first!.values[0]).toEqual(assembleBatch(train, [0], 1).fields[0]);
    expect(first!.values[1]).toBe(train.columns[1]![0]);
  });

  test("loads no dataset, and says why", async () => {
    await expect(streamed(xor()).load()).rejects.toThrow(/xor: expected a dataset, got a stream, which only fit/);
    expect(() => source().shuffle(0)).toThrow(/shuffle: expected a whole number from 1, got 0/);
    expect(() => fromExamples({ fields: [fields[0]], train: () => [], test: () => [] })).toThrow(/two fields/);
  });

  test("names the example and the field that do not fit", async () => {
    const bad = (example: Example) => fromExamples({ fields, train: () => [], test: () => [example] }).open();
    await expect(bad([[1], 2])).rejects.toThrow(/examples, example 0: expected 2 numbers for x f32\[2\], got 1/);
    await expect(bad([[1, 2], 2.5])).rejects.toThrow(/whole numbers for y i32\[\], got 2.5/);
    await expect(bad([[1, 2]])).rejects.toThrow(/expected a list of 2 fields .* got 1; give one value for each/);
  });
});

describe("mapStream", () => {
  test("has no more than so many items in the making, and keeps their order", async () => {
    let running = 0;
    let most = 0;
    const slow = async (item: number) => {
      most = Math.max(most, ++running);
      for (let turn = 0; turn < 10 - item; turn++) await Promise.resolve();
      running--;
      return item * 2;
    };
    expect(await collect(mapStream([1, 2, 3, 4, 5], slow, 3))).toEqual([2, 4, 6, 8, 10]);
    expect(most).toBe(3);
  });

  test("an error comes where its item would", async () => {
    const got: number[] = [];
    const items = mapStream([1, 2, 3], (item) =>
      item === 2 ? Promise.reject(new Error("two")) : Promise.resolve(item),
    );
    await expect(
      (async () => {
        for await (const item of items) got.push(item);
      })(),
    ).rejects.toThrow("two");
    expect(got).toEqual([1]);
  });
});

test("augmentBatch and a stream refuse inputs that are no floats", async () => {
  const whole = fromExamples({
    fields: [{ name: "x", shape: [], dtype: "i32" }, fields[1]],
    train: () => [[1, 2]],
    test: () => [],
  });
  await expect(epochOf(whole.augment(noise({ std: 1 })))).rejects.toThrow(
    /expected a first field of dtype f32, got i32/,
  );
  const batch = { fields: [Int32Array.of(1), Int32Array.of(2)], weights: Float32Array.of(1) };
  const { fields: stored } = await whole.open();
  const options = { contract: { fields: stored }, rows: [0], seed: 1, epoch: 1 };
  expect(() => augmentBatch(batch, [noise({ std: 1 })], options)).toThrow(/dtype f32, got i32/);
});
