/** Splits, normalisation, augmentation and streams: what happens to data between its file and a batch. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Augmentation, Dataset } from "@weft/data";
import {
  assembleBatch,
  augmentBatch,
  batchStream,
  checkContract,
  crop,
  digits,
  fitNormalization,
  flip,
  noise,
  normalizeDataset,
  normalized,
  prefetch,
  shift,
  shuffleStream,
  splitDataset,
  syntheticRegression,
} from "@weft/data";

const numbered = (size: number): Dataset => ({
  contract: { fields: [{ name: "x", shape: [], dtype: "f32", stored: "f32", scale: 1 }] },
  size,
  columns: [Float32Array.from({ length: size }, (_, i) => i)],
});

describe("a split", () => {
  test("gives every example to one part, in the order of the whole, the same for the same seed", () => {
    const sizes = fc.integer({ min: 2, max: 60 });
    fc.assert(
      fc.property(sizes, fc.double({ min: 0.05, max: 0.45, noNaN: true }), fc.nat(), (size, share, seed) => {
        const { train, test: held } = splitDataset(numbered(size), { test: share, seed });
        const rows = [...train.columns[0]!, ...held.columns[0]!];
        expect(rows.toSorted((a, b) => a - b)).toEqual([...numbered(size).columns[0]!]);
        expect(held.size).toBe(Math.max(1, Math.round(size * share)));
        expect([...train.columns[0]!]).toEqual([...train.columns[0]!.toSorted()]);
        expect(splitDataset(numbered(size), { test: share, seed })).toEqual({ train, test: held });
      }),
    );
    expect(splitDataset(numbered(50), { test: 0.5, seed: 1 })).not.toEqual(splitDataset(numbered(50), { test: 0.5 }));
  });

  test("takes the end where order matters, and refuses an empty part", () => {
    const { test: held } = splitDataset(numbered(10), { test: 0.3, shuffle: false });
    expect([...held.columns[0]!]).toEqual([7, 8, 9]);
    expect(() => splitDataset(numbered(1), { test: 0.5 })).toThrow(/1 examples cannot give 1/);
    expect(() => splitDataset(numbered(5), { test: 1 })).toThrow(/above 0 and below 1/);
  });
});

describe("normalisation", () => {
  const values = (dataset: Dataset) => assembleBatch(dataset, [...Array(dataset.size).keys()], dataset.size).fields[0]!;

  test("brings every feature of the training part to mean 0 and variance 1, and the test part along", async () => {
    const plain = syntheticRegression({ examples: 500, features: 3, noise: 0, seed: 1 });
    const source = normalized(plain);
    const { train, test: held } = await source.load();
    checkContract(train, train.contract);
    for (const feature of [0, 1, 2]) {
      const own = Array.from({ length: train.size }, (_, row) => train.columns[0]![3 * row + feature]!);
      const mean = own.reduce((sum, x) => sum + x, 0) / own.length;
      expect(mean).toBeCloseTo(0, 5);
      expect(own.reduce((sum, x) => sum + (x - mean) ** 2, 0) / own.length).toBeCloseTo(1, 4);
    }
    const { offset, factor } = await source.normalization();
    const original = (await plain.load()).test.columns[0]!;
    held.columns[0]!.forEach((x, i) => expect(x).toBeCloseTo((original[i]! - offset[i % 3]!) * factor[i % 3]!, 5));
  });

  test("maps onto 0..1 by range, over channels or all together, and survives JSON", async () => {
    const { train } = await digits().load();
    const fitted = fitNormalization(train, { to: "range", per: "all" });
    expect(fitted).toEqual({ field: "image", offset: [0], factor: [1] });
    const standard = fitNormalization(train, { per: "channel" });
    expect(standard.offset).toHaveLength(1);
    expect(normalizeDataset(train, JSON.parse(JSON.stringify(standard)) as typeof standard)).toEqual(
      normalizeDataset(train, standard),
    );
    // A pixel that is always 0 stays 0.
    expect(values(normalizeDataset(train, fitNormalization(train)))[0]).toBe(0);
  });

  test("keeps small deviations around a large mean", () => {
    const { contract } = numbered(0);
    const far: Dataset = { contract, size: 4, columns: [Float32Array.of(10_000, 10_001, 10_002, 10_003)] };
    const { offset, factor } = fitNormalization(far);
    expect(offset[0]).toBeCloseTo(10_001.5, 6);
    expect(factor[0]).toBeCloseTo(1 / Math.sqrt(1.25), 6);
  });

  test("is refused for labels and for other shapes", async () => {
    const { train } = await digits().load();
    expect(() => fitNormalization(train, { field: "label" })).toThrow(
      /expected a field of dtype f32, got label; there are: image/,
    );
    expect(() => normalizeDataset(train, { field: "image", offset: [0, 0, 0], factor: [1, 1, 1] })).toThrow(/3 places/);
  });
});

describe("augmentation", () => {
  const image = Float32Array.from({ length: 12 }, (_, i) => i + 1); // 3 × 4 × 1
  const shape = [3, 4, 1];
  const drawing = (...draws: number[]) => ({ below: () => draws.shift() ?? 0, unit: () => draws.shift() ?? 0 });

  test("shift moves by whole pixels and fills in", () => {
    const downRight = shift({ pixels: 1 })(image, shape, drawing(2, 2));
    expect([...downRight]).toEqual([0, 0, 0, 0, 0, 1, 2, 3, 0, 5, 6, 7]);
    expect([...shift({ pixels: 1, fill: 9 })(image, shape, drawing(0, 1))]).toEqual([
      5, 6, 7, 8, 9, 10, 11, 12, 9, 9, 9, 9,
    ]);
  });

  test("flip mirrors, with its probability, and twice is as before", () => {
    expect([...flip()(image, shape, drawing(0))]).toEqual([4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9]);
    expect([...flip({ axis: "vertical" })(image, shape, drawing(0))].slice(0, 4)).toEqual([9, 10, 11, 12]);
    expect(flip({ probability: 0.3 })(image, shape, drawing(0.3))).toBe(image);
    const colours = Float32Array.of(1, 2, 3, 4, 5, 6); // one row of two pixels
    expect([...flip()(colours, [1, 2, 3], drawing(0))]).toEqual([4, 5, 6, 1, 2, 3]);
  });

  test("crop enlarges a piece; a whole piece is the image, and a ramp stays a ramp", () => {
    expect([...crop({ least: 1 })(image, shape, drawing(0.5, 0.5, 0.5))]).toEqual([...image]);
    const ramp = Float32Array.from({ length: 25 }, (_, i) => i % 5);
    const piece = crop({ least: 0.5 })(ramp, [5, 5], drawing(0, 0.5, 1));
    expect([...piece.subarray(0, 5)]).toEqual([2, 2.5, 3, 3.5, 4]);
  });

  test("noise has the deviation asked for", () => {
    const generator = { below: () => 0, unit: () => Math.abs(Math.sin((seed += 12.9898)) * 43758.5453) % 1 };
    let seed = 1;
    const noisy = noise({ std: 0.5 })(new Float32Array(4000), [4000], generator);
    const deviation = Math.sqrt(noisy.reduce((sum, x) => sum + x * x, 0) / noisy.length);
    expect(deviation).toBeGreaterThan(0.45);
    expect(deviation).toBeLessThan(0.55);
  });

  test("depends on seed, epoch and example, not on the batch it comes in; filling and targets stay", async () => {
    const { train } = await digits().load();
    const all: Augmentation[] = [shift({ pixels: 2 }), flip(), crop({ least: 0.7 }), noise({ std: 0.1 })];
    const augmented = (rows: number[], { capacity = rows.length, seed = 1, epoch = 1 } = {}) =>
      augmentBatch(assembleBatch(train, rows, capacity), all, { contract: train.contract, rows, seed, epoch });
    const both = augmented([5, 9]);
    const alone = augmented([9], { capacity: 3 });
    expect([...alone.fields[0]!.subarray(0, 64)]).toEqual([...both.fields[0]!.subarray(64)]);
    expect([...alone.fields[0]!.subarray(64)].every((x) => x === 0)).toBe(true);
    expect([...alone.fields[1]!]).toEqual([train.columns[1]![9], 0, 0]);
    for (const other of [{ seed: 2 }, { epoch: 2 }]) expect(augmented([5, 9], other)).not.toEqual(both);
    expect(augmented([5, 5]).fields[0]!.subarray(0, 64)).toEqual(augmented([5, 5]).fields[0]!.subarray(64));
    const plain = assembleBatch(train, [5, 9], 2);
    augmentBatch(plain, all, { contract: train.contract, rows: [5, 9], seed: 1, epoch: 1 });
    expect(plain).toEqual(assembleBatch(train, [5, 9], 2));
  });

  test("settings that make no sense, and inputs that are no images, are refused", () => {
    expect(() => shift({ pixels: 0.5 })).toThrow(/whole number of pixels/);
    expect(() => flip({ probability: 2 })).toThrow(/probability from 0 to 1/);
    expect(() => crop({ least: 0 })).toThrow(/share above 0/);
    expect(() => noise({ std: -1 })).toThrow(/standard deviation/);
    expect(() => flip()(image, [12], drawing())).toThrow(/flip: expected images/);
    const wrong = { contract: numbered(1).contract, rows: [0], seed: 0, epoch: 0 };
    expect(() => augmentBatch(assembleBatch(numbered(1), [0], 1), [() => new Float32Array(2)], wrong)).toThrow(
      /keep the shape/,
    );
  });
});

describe("streams", () => {
  const collect = async <T>(stream: AsyncIterable<T>) => {
    const items: T[] = [];
    for await (const item of stream) items.push(item);
    return items;
  };

  test("a shuffled stream has the same items in a seeded order, none earlier than the buffer allows", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(40), fc.integer({ min: 1, max: 50 }), fc.nat(), async (length, size, seed) => {
        const items = Array.from({ length }, (_, i) => i);
        const shuffled = await collect(shuffleStream(items, { size, seed }));
        expect(shuffled.toSorted((a, b) => a - b)).toEqual(items);
        shuffled.forEach((item, place) => expect(item).toBeLessThanOrEqual(place + size));
        expect(await collect(shuffleStream(items, { size, seed }))).toEqual(shuffled);
      }),
    );
    const orders = await Promise.all(
      [0, 1].map((epoch) => collect(shuffleStream(Array(30).keys(), { size: 30, seed: 1, epoch }))),
    );
    expect(orders[0]).not.toEqual(orders[1]);
  });

  test("batches group what comes", async () => {
    expect(await collect(batchStream([1, 2, 3, 4, 5], 2))).toEqual([[1, 2], [3, 4], [5]]);
    await expect(collect(batchStream([1], 0))).rejects.toThrow(/whole number from 1/);
  });

  test("prefetch reads ahead while an item is in use, keeps the order, and closes its source", async () => {
    const log: string[] = [];
    async function* source() {
      try {
        for (let i = 0; i < 5; i++) {
          log.push(`read ${i}`);
          yield await Promise.resolve(i);
        }
      } finally {
        log.push("closed");
      }
    }
    for await (const item of prefetch(source())) {
      await new Promise((resolve) => setImmediate(resolve));
      log.push(`used ${item}`);
      if (item === 2) break;
    }
    expect(log.indexOf("read 1")).toBeLessThan(log.indexOf("used 0"));
    expect(log.indexOf("read 2")).toBeLessThan(log.indexOf("used 1"));
    expect(log).not.toContain("read 4");
    expect(log.at(-1)).toBe("closed");
    expect(await collect(prefetch([1, 2, 3], { ahead: 5 }))).toEqual([1, 2, 3]);
  });

  test("an error of the source comes where its item would", async () => {
    function* failing() {
      yield 1;
      throw new Error("unplugged");
    }
    const got: number[] = [];
    const reading = (async () => {
      for await (const item of prefetch(failing(), { ahead: 3 })) got.push(item);
    })();
    await expect(reading).rejects.toThrow("unplugged");
    expect(got).toEqual([1]);
  });
});
