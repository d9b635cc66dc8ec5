import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import {
  DataRangeError,
  type Parts,
  partitionByKey,
  partitionDirichlet,
  partitionDirichletSizes,
  partitionIid,
  partitionShards,
  permutation,
  shuffledSlice,
} from "@weft/data";

const sorted = (indices: Iterable<number>) => [...indices].sort((a, b) => a - b);
const counting = (size: number) => Array.from({ length: size }, (_, i) => i);
const seeds = fc.maxSafeNat();

test("a permutation holds every index once, and is the same for the same seed and epoch", () => {
  fc.assert(
    fc.property(fc.nat(300), seeds, fc.nat(1000), (size, seed, epoch) => {
      const order = permutation(size, seed, epoch);
      expect(sorted(order)).toEqual(counting(size));
      expect(permutation(size, seed, epoch)).toEqual(order);
    }),
  );
});

test("the order of a seed never changes between versions", () => {
  expect([...permutation(12, 1, 0)]).toMatchInlineSnapshot(`
    [
      0,
      7,
      8,
      4,
      10,
      9,
      2,
      5,
      1,
      11,
      6,
      3,
    ]
  `);
  expect([...permutation(12, 1, 1)]).toMatchInlineSnapshot(`
    [
      2,
      9,
      5,
      4,
      10,
      8,
      6,
      1,
      11,
      3,
      7,
      0,
    ]
  `);
  expect([...permutation(12, 2 ** 40 + 1, 0)]).toMatchInlineSnapshot(`
    [
      11,
      7,
      8,
      5,
      1,
      10,
      9,
      6,
      0,
      2,
      4,
      3,
    ]
  `);
});

test("every order of four comes up equally often", () => {
  const counts = new Map<string, number>();
  for (let epoch = 0; epoch < 24_000; epoch++) {
    const order = permutation(4, 7, epoch).join();
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  expect(counts.size).toBe(24);
  const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
  expect(chiSquare).toBeLessThan(49.7); // 23 degrees of freedom, p = 0.001
});

test("slices of an epoch join to its permutation, in whatever order they are asked for", () => {
  const whole = permutation(100, 3, 5);
  const late = shuffledSlice(100, 3, { epoch: 5, start: 60, count: 40 });
  shuffledSlice(100, 3, { epoch: 6, start: 0, count: 10 });
  const early = shuffledSlice(100, 3, { epoch: 5, start: 0, count: 60 });
  expect([...early, ...late]).toEqual([...whole]);
  early.fill(0); // a slice is the caller's own
  expect(shuffledSlice(100, 3, { epoch: 5, start: 0, count: 60 })).toEqual(whole.slice(0, 60));
});

test("slices past the end, and seeds that are not whole numbers, are refused", () => {
  expect(() => shuffledSlice(10, 0, { epoch: 0, start: 8, count: 3 })).toThrow(DataRangeError);
  expect(() => permutation(10, 0.5, 0)).toThrow(/seed from 0 to 2\^53 - 1, got 0.5/);
  expect(() => permutation(10, 0, -1)).toThrow(/epoch/);
});

test("an IID partition gives every example to one worker, in parts that differ by one at most", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 20 }), seeds, (size, workers, seed) => {
      fc.pre(workers <= size);
      const parts = [...partitionIid(size, workers, seed)];
      expect(sorted(parts.flatMap((part) => [...part]))).toEqual(counting(size));
      const sizes = parts.map((part) => part.length);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      expect([...partitionIid(size, workers, seed)]).toEqual(parts);
    }),
  );
});

test("a shard partition gives every example to one worker, and few labels to each", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10 }),
      fc.integer({ min: 1, max: 3 }),
      seeds,
      (workers, shardsPerWorker, seed) => {
        const labels = permutation(300, seed, 1).map((i) => i % 10);
        const parts = [...partitionShards(labels, { workers, shardsPerWorker, seed })];
        expect(sorted(parts.flatMap((part) => [...part]))).toEqual(counting(300));
        expect([...partitionShards(labels, { workers, shardsPerWorker, seed })]).toEqual(parts);
      },
    ),
  );
});

test("FedAvg's split of 100 workers and two shards leaves each two labels at most", () => {
  const labels = permutation(6000, 9, 0).map((i) => i % 10);
  const parts = [...partitionShards(labels, { workers: 100, shardsPerWorker: 2, seed: 4 })];
  const kinds = parts.map((part) => new Set([...part].map((i) => labels[i])).size);
  expect(Math.max(...kinds)).toBeLessThanOrEqual(2);
  expect(kinds.filter((count) => count === 2).length).toBeGreaterThan(80);
  expect(parts.every((part) => part.length === 60)).toBe(true);
});

test("more workers than examples are refused", () => {
  expect(() => partitionIid(3, 4, 0)).toThrow(/3 examples do not fill 4 workers; use at most 3/);
  expect(() => partitionShards([0, 1, 2], { workers: 2, shardsPerWorker: 2, seed: 0 })).toThrow(/4 shards/);
});

const labelsOf = (size: number, seed: number) => permutation(size, seed, 1).map((i) => i % 10);
const alphas = fc.double({ min: 0.01, max: 100, noNaN: true });

test("Dirichlet partitions give every example to one worker, and some to everyone", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 30 }), alphas, seeds, (workers, alpha, seed) => {
      const labels = labelsOf(300, 3);
      for (const parts of [
        [...partitionDirichlet(labels, { workers, alpha, seed })],
        [...partitionDirichletSizes(300, { workers, alpha, seed })],
      ]) {
        expect(parts.length).toBe(workers);
        expect(sorted(parts.flatMap((part) => [...part]))).toEqual(counting(300));
        expect(Math.min(...parts.map(({ length }) => length))).toBeGreaterThan(0);
      }
      expect([...partitionDirichlet(labels, { workers, alpha, seed })]).toEqual([
        ...partitionDirichlet(labels, { workers, alpha, seed }),
      ]);
    }),
  );
});

test("the smaller alpha, the fewer labels a worker sees, and the more unequal its share", () => {
  const labels = labelsOf(10_000, 5);
  const kinds = (alpha: number) => {
    const parts = [...partitionDirichlet(labels, { workers: 50, alpha, seed: 2 })];
    // Labels that make up a twentieth of a worker's examples or more.
    const seen = parts.map((part) => {
      const counts = Array.from({ length: 10 }, (_, label) => part.filter((i) => labels[i] === label).length);
      return counts.filter((count) => count >= part.length / 20).length;
    });
    return seen.reduce((sum, count) => sum + count, 0) / 50;
  };
  expect(kinds(0.1)).toBeLessThan(4);
  expect(kinds(100)).toBeGreaterThan(9.5);
  const spread = (alpha: number) => {
    const sizes = [...partitionDirichletSizes(10_000, { workers: 50, alpha, seed: 2 })].map(({ length }) => length);
    return Math.max(...sizes) / 200;
  };
  expect(spread(0.2)).toBeGreaterThan(4);
  expect(spread(1000)).toBeLessThan(1.2);
});

test("shares follow the Dirichlet distribution: mean 1/k, variance (k − 1)/(k²(kα + 1))", () => {
  const [workers, alpha, size] = [4, 0.5, 2000];
  let [sum, squares] = [0, 0];
  for (let seed = 0; seed < 2000; seed++) {
    const share = partitionDirichletSizes(size, { workers, alpha, seed }).at(0)!.length / size;
    sum += share;
    squares += share ** 2;
  }
  const mean = sum / 2000;
  expect(mean).toBeCloseTo(1 / workers, 1);
  const variance = (workers - 1) / (workers ** 2 * (workers * alpha + 1));
  expect((squares / 2000 - mean ** 2) / variance).toBeGreaterThan(0.9);
  expect((squares / 2000 - mean ** 2) / variance).toBeLessThan(1.1);
});

test("a partition by key keeps what has the same key together", () => {
  const writers = Array.from({ length: 200 }, (_, i) => `writer ${(i * 7) % 23}`);
  const parts = [...partitionByKey(writers, { workers: 5, seed: 1 })];
  expect(sorted(parts.flatMap((part) => [...part]))).toEqual(counting(200));
  const owner = new Map<string, number>();
  parts.forEach((part, worker) => {
    for (const i of part) {
      expect(owner.get(writers[i]!) ?? worker).toBe(worker);
      owner.set(writers[i]!, worker);
    }
  });
  expect(() => partitionByKey(writers, { workers: 24, seed: 1 })).toThrow(/23 different keys do not fill 24 workers/);
  expect(() => partitionDirichlet([0, 1], { workers: 1, alpha: 0, seed: 0 })).toThrow(
    /alpha is a number above 0, got 0/,
  );
});

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const million = 1_000_000;
const ofMillion: readonly (readonly [string, () => Parts])[] = [
  ["IID", () => partitionIid(1_200_000, million, 1)],
  ["shards", () => partitionShards(labelsOf(1_200_000, 1), { workers: million, shardsPerWorker: 1, seed: 1 })],
  [
    "Dirichlet over labels",
    () => partitionDirichlet(labelsOf(1_200_000, 1), { workers: million, alpha: 0.3, seed: 1 }),
  ],
  ["Dirichlet over sizes", () => partitionDirichletSizes(1_200_000, { workers: million, alpha: 0.3, seed: 1 })],
  [
    "a key",
    () =>
      partitionByKey(
        permutation(1_200_000, 1, 2).map((i) => i % million),
        { workers: million, seed: 1 },
      ),
  ],
];

test.each(ofMillion)(
  "a million workers are given parts by %s that take a few words each",
  { timeout: 30_000 },
  async (_, make) => {
    const before = bytesHeld();
    const parts = make();
    // One word an example, one a worker; what else it took is given back by another thread, in its own time.
    await vi.waitFor(
      () => {
        expect(bytesHeld() - before).toBeLessThan(4 * (1_200_000 + million) + 4 * 2 ** 20);
      },
      { timeout: 20_000, interval: 50 },
    );
    expect(parts.length).toBe(million);
    const isGiven = new Uint8Array(1_200_000);
    for (let worker = 0; worker < million; worker++) {
      const part = parts.at(worker)!;
      if (part.length === 0) throw new Error(`worker ${worker} has no example`);
      for (const example of part) isGiven[example]! += 1;
    }
    expect(isGiven.every((times) => times === 1)).toBe(true);
  },
);

/** Of live memory. */
function bytesHeld(): number {
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
