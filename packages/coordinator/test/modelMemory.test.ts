import { meanRule } from "@weft/aggregate";
import { blockCount, blockElements, blockRange } from "@weft/vector";
import { expect, test } from "vitest";
import { ModelMemory, modelMemory } from "../src/model/modelMemory.ts";
import { ServerModel } from "../src/model/serverModel.ts";

const size = 16 * blockElements + 777;
const momentum = { name: "sgd", learningRate: 0.01, momentum: 0.9 } as const;
const vector = (salt: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.7 + salt));

const each = (work: (block: number, start: number, end: number) => void): void => {
  for (let block = 0; block < blockCount(size); block++) {
    const { start, end } = blockRange(size, block);
    work(block, start, end);
  }
};

/** Rounds of two updates each, their sums where `room` says. */
async function run(rounds: number, room: ModelMemory | undefined, isRead: (round: number) => boolean = () => false) {
  const initial = vector(0);
  room?.version.set(initial);
  const model = await ServerModel.create(momentum, room?.version ?? initial, { room });
  const seen: { readonly values: Float32Array; readonly bits: Float32Array }[] = [];
  for (let round = 1; round <= rounds; round++) {
    seen.push({ values: model.weights, bits: model.weights.slice() });
    const sums = meanRule.open({ size, contributions: 2, bound: 8, maxWeight: 4, slabs: room?.sums() });
    for (const k of [1, 2]) {
      const update = vector(10 * round + k);
      each((block, start, end) => sums.add(block, update.subarray(start, end), k));
    }
    await model.step((block, out) => sums.result(block, out), { isRead: () => isRead(round) });
    sums.close();
  }
  const state = model.state().map((part) => part.slice());
  model.dispose();
  return { weights: model.weights, state, seen };
}

test("a model in three slabs goes through the bits of one with memory of its own, its optimiser's state too, in the memory of three vectors", async () => {
  const plain = await run(3, undefined);
  const slabs = await run(3, new ModelMemory(size));
  expect(slabs.weights.every((value, i) => value === plain.weights[i])).toBe(true);
  expect(slabs.state.length).toBe(plain.state.length);
  slabs.state.forEach((part, i) => {
    expect(part.length).toBe(plain.state[i]!.length);
    expect(part.every((value, at) => value === plain.state[i]![at])).toBe(true);
  });
  const buffers = new Set([...slabs.seen.map(({ values }) => values.buffer), slabs.weights.buffer]);
  expect(buffers.size).toBeLessThanOrEqual(3);
});

test("a version that may still be read is not overwritten, whatever is made after it", async () => {
  const { seen } = await run(3, new ModelMemory(size), (round) => round === 2);
  const [zeroth, first] = seen;
  expect(zeroth!.values.every((value, i) => value === zeroth!.bits[i])).toBe(false);
  expect(first!.values.every((value, i) => value === first!.bits[i])).toBe(true);
});

test("only models of some size share their memory", () => {
  expect(modelMemory(16 * blockElements)).toBeUndefined();
  expect(modelMemory(16 * blockElements + 1)).toBeInstanceOf(ModelMemory);
});
