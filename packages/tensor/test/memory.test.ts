/** A loop that trains for long holds memory flat. */
import type { Tensor } from "@weft/tensor";
import { compile, grad, tensor } from "@weft/tensor";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Bytes of heap and array buffers that survive a collection. */
function held(): number {
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const loss = (w: Tensor, x: Tensor) => x.matmul(w).sub(1).square().mean();
const weights = () => tensor(new Float32Array(64).fill(0.1), { shape: [8, 8] });
const batch = () => tensor(new Float32Array(32).fill(0.5), { shape: [4, 8] });

/** Runs 10,000 steps; after the first 1,000, warm with caches full, nothing more may stay. */
async function expectFlat(step: () => Promise<void>): Promise<void> {
  for (let i = 0; i < 1000; i++) await step();
  const before = held();
  for (let i = 1000; i < 10_000; i++) await step();
  expect(held() - before).toBeLessThan(1_000_000);
}

it("10,000 compiled training steps leave memory flat", { timeout: 60_000 }, async () => {
  const step = compile((w: Tensor, x: Tensor) => w.sub(grad(loss)(w, x).mul(0.01)), { donate: [0] });
  let w = weights();
  await expectFlat(() => {
    w = step(w, batch());
    return Promise.resolve();
  });
  expect(w.dataSync().every(Number.isFinite)).toBe(true);
});

it("10,000 eager steps leave memory flat", { timeout: 60_000 }, async () => {
  let w = tensor([1, 2, 3]);
  const gradient = tensor([0.1, 0.2, 0.3]);
  await expectFlat(async () => {
    w = w.sub(gradient.mul(0.01));
    await w.data();
  });
});

it("10,000 learning rates, each a structure of its own, do not fill the cache", { timeout: 60_000 }, async () => {
  let w = tensor([1, 2, 3]);
  let count = 0;
  await expectFlat(async () => {
    w = w.sub(tensor([0.1, 0.2, 0.3]).mul(1 / ++count));
    await w.data();
  });
});
