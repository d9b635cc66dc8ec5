import {
  blockCount,
  blockElements,
  blockRange,
  createAccumulator,
  createSlab,
  type GridOptions,
  LengthError,
  type Slab,
  slabBytes,
  squaredNorm,
  ValueError,
} from "@weft/vector";
import { expect, test } from "vitest";
import { bitsOf } from "./bits.ts";

const size = 3 * blockElements + 4711;
const options: GridOptions = { contributions: 12, bound: 40, maxWeight: 600 };

/** Over sixty binary orders of magnitude, so that each rounding shows. */
const contribution = (k: number) =>
  Float32Array.from({ length: size }, (_, i) => 30 * Math.sin(i * (k + 1.5) + k) * 2 ** -((i * 7 + k) % 60));

const plainSlab = (bytes: number): Slab => ({ buffer: new ArrayBuffer(bytes), start: 0, bytes, kernels: undefined });

/** The means after contributions came and one of them went again. */
function meansOver(slabs: readonly Slab[]): Float32Array {
  const sums = createAccumulator(size, options, slabs);
  const each = (k: number, work: "addBlock" | "subtractBlock") => {
    const values = contribution(k);
    for (let block = 0; block < blockCount(size); block++) {
      const { start, end } = blockRange(size, block);
      sums[work](block, values.subarray(start, end), 100 + k);
    }
  };
  for (const k of [0, 1, 2, 3]) each(k, "addBlock");
  each(1, "subtractBlock");
  const means = new Float32Array(size);
  for (let block = 0; block < blockCount(size); block++) {
    const { start, end } = blockRange(size, block);
    sums.meanBlock(block, sums.weightOf(block), means.subarray(start, end));
  }
  return means;
}

test("the kernels' sums have the bits of the plain loops', in one slab or several, whatever the memory held before", () => {
  const expected = bitsOf(meansOver([plainSlab(slabBytes(size, 1))]));
  for (const count of [1, 2, 3]) {
    const slabs = Array.from({ length: count }, () => createSlab(slabBytes(size, count)));
    for (const { kernels, buffer, start } of slabs) {
      expect(kernels).toBeDefined();
      new Float64Array(buffer, start).fill(NaN);
    }
    expect(bitsOf(meansOver(slabs)).every((word, i) => word === expected[i])).toBe(true);
  }
});

/** Any order of arrivals and departures, more than there are slots for; what is given through `room` is as what is not. */
function meansAfter(slabs: readonly Slab[], seed: number): readonly number[] {
  const sums = createAccumulator(size, options, slabs);
  let state = seed;
  const draw = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const held = Array.from({ length: blockCount(size) }, (): number[] => []);
  const means: number[] = [];
  for (let turn = 0; turn < 90; turn++) {
    const block = draw(held.length);
    const { start, end } = blockRange(size, block);
    const own = held[block]!;
    if (own.length === options.contributions || draw(4) === 0) {
      const [k] = own.splice(draw(own.length), 1);
      if (k !== undefined) sums.subtractBlock(block, contributions[k]!.subarray(start, end), 100 + k);
    } else {
      const k = draw(contributions.length);
      const values = contributions[k]!.subarray(start, end);
      const room = sums.room(block);
      if (draw(2) === 0) room.set(values);
      sums.addBlock(block, draw(2) === 0 || room[0] !== values[0] ? values : room, 100 + k);
      own.push(k);
    }
    if (draw(30) === 0) means.push(...someOf(sums, block));
  }
  for (const block of held.keys()) means.push(...someOf(sums, block));
  return means;
}

const contributions = [4, 5, 6].map(contribution);

/** The bits of every 97th element's sum. */
function someOf(sums: ReturnType<typeof createAccumulator>, block: number): number[] {
  const { start, end } = blockRange(size, block);
  const out = new Float32Array(end - start);
  sums.meanBlock(block, 1, out);
  return bitsOf(out).filter((_, i) => i % 97 === 0);
}

test("contributions that wait for others leave the bits of those folded at once, whatever comes, goes and is read between", () => {
  const plain = [plainSlab(slabBytes(size, 1))];
  const one = [createSlab(slabBytes(size, 1))];
  const two = [createSlab(slabBytes(size, 2)), createSlab(slabBytes(size, 2))];
  for (let seed = 1; seed <= 8; seed++) {
    const expected = meansAfter(plain, seed);
    for (const slabs of [one, two]) expect(meansAfter(slabs, seed).join() === expected.join()).toBe(true);
  }
});

test("what waits is merged as what does not", () => {
  const values = contribution(1);
  const sums = [0, 1].map(() => createAccumulator(size, options, [createSlab(slabBytes(size, 1))]));
  const plain = createAccumulator(size, options, [plainSlab(slabBytes(size, 1))]);
  for (const [k, weight] of [3, 5, 8].entries()) {
    sums[k % 2]!.addBlock(0, values.subarray(k, k + blockElements), weight);
    plain.addBlock(0, values.subarray(k, k + blockElements), weight);
  }
  sums[0]!.merge(sums[1]!);
  expect(someOf(sums[0]!, 0)).toEqual(someOf(plain, 0));
  sums[0]!.reset();
  expect(someOf(sums[0]!, 0).every((bits) => bits === 0)).toBe(true);
});

test("sums at the ends of the grid are exact, by kernels as by plain loops, added, merged and taken out", () => {
  const ends: GridOptions = { contributions: 4, bound: 8, maxWeight: 1024 };
  const values = Float32Array.from({ length: blockElements }, (_, i) => (i % 3 === 0 ? 8 : i % 3 === 1 ? -8 : 2 ** -9));
  const both = [createSlab(slabBytes(blockElements, 1)), plainSlab(slabBytes(blockElements, 1))].map((slab) => {
    const sums = createAccumulator(blockElements, ends, [slab]);
    const others = createAccumulator(blockElements, ends, [createSlab(slabBytes(blockElements, 1))]);
    for (let i = 0; i < 2; i++) sums.addBlock(0, values, 1024);
    for (let i = 0; i < 2; i++) others.addBlock(0, values, 1024);
    sums.merge(others);
    const out = new Float32Array(blockElements);
    sums.meanBlock(0, 4096, out);
    expect(out.every((value, i) => value === values[i])).toBe(true);
    for (let i = 0; i < 3; i++) sums.subtractBlock(0, values, 1024);
    sums.meanBlock(0, 1024, out);
    return out.every((value, i) => value === values[i]);
  });
  expect(both).toEqual([true, true]);
});

test("the norm that adding gives is that of the values, and within some 1e-6 of it", () => {
  const sums = createAccumulator(size, { ...options, bound: 1e4 }, [createSlab(slabBytes(size, 1))]);
  const values = contribution(3).subarray(0, blockElements);
  const exact = squaredNorm(values);
  expect(Math.abs(sums.addBlock(0, values, 1) / exact - 1)).toBeLessThan(2e-6);
});

test("the kernels refuse what the plain loops refuse, wherever it lies, and let everything else pass", () => {
  const sums = createAccumulator(size, options, [createSlab(slabBytes(size, 1))]);
  const tail = size - 3 * blockElements;
  for (const bad of [NaN, Infinity, -Infinity, 40.00001, -3e38]) {
    for (const at of [0, 1, 63, 64, 4096, tail - 1]) {
      const values = new Float32Array(tail);
      values[at] = bad;
      expect(() => sums.addBlock(3, values, 1)).toThrow(ValueError);
    }
  }
  // As a whole far beyond the bound, element by element within it.
  sums.addBlock(3, new Float32Array(tail).fill(-40), 3);
  const mean = new Float32Array(tail);
  sums.meanBlock(3, 3, mean);
  expect(mean.every((value) => value === -40)).toBe(true);
});

test("values whose squares vanish or overflow in f32 are still checked and summed", () => {
  for (const bound of [2 ** -100, 2 ** 120]) {
    const sums = createAccumulator(size, { ...options, bound }, [createSlab(slabBytes(size, 1))]);
    const values = new Float32Array(blockElements).fill(bound / 2);
    sums.addBlock(1, values, 2);
    const mean = new Float32Array(blockElements);
    sums.meanBlock(1, 2, mean);
    expect(mean.every((value) => value === bound / 2)).toBe(true);
    values[9] = 1.5 * bound;
    expect(() => sums.addBlock(1, values, 2)).toThrow(ValueError);
  }
});

test("slabs too small for the sums are refused", () => {
  expect(() => createAccumulator(size, options, [createSlab(slabBytes(size, 2))])).toThrow(LengthError);
});
