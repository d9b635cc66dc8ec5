/** Jobs whose layers compute in f16: the loss is scaled and unscaled here, and no gradient that is not finite leaves the worker. */
import { assembleBatch } from "@weft/data";
import { createOptimizer } from "@weft/optim/createOptimizer";
import type { Backend } from "@weft/tensor";
import { compile, setBackend, tensor } from "@weft/tensor";
import type { Tensor } from "@weft/tensor";
import { createWasmBackend } from "@weft/wasm";
import { JobRefusedError, OrderDeclinedError, checkJob, createTrainer, createTraining } from "@weft/worker";
import { beforeEach, describe, expect, test } from "vitest";
import { linearData, linearJob } from "./testJob.ts";

const backend = createWasmBackend();
beforeEach(() => setBackend(backend));

const base = Float32Array.of(0.5, 0.25, -1, 0);
const examples = { dataset: linearData(20), rows: Uint32Array.from({ length: 8 }, (_, i) => i) };
const sgd = { name: "sgd", learningRate: 0.1 };

const halfJob = (factor: number, lossScale: "dynamic" | number = "dynamic") =>
  checkJob(linearJob({ precision: { compute: "f16", lossScale } }, { compute: "f16", factor }));
const gradientOf = async (job: ReturnType<typeof checkJob>) =>
  (await createTrainer(job).gradient(base, examples, 1)).gradient;
const distance = (a: Float32Array, b: Float32Array) => Math.hypot(...a.map((value, i) => value - (b[i] ?? NaN)));

describe("a job in mixed precision", () => {
  test.each([1e-8, 1, 1e3])(
    "gives the gradient of f32 to f16's digits, unscaled, for a loss times %d",
    async (factor) => {
      const want = (await gradientOf(checkJob(linearJob()))).map((value) => value * factor);
      const got = await gradientOf(halfJob(factor));
      expect(distance(got, want) / Math.hypot(...want)).toBeLessThan(2e-3);
    },
  );

  test("loses a small gradient without a scale", async () => {
    const [lost, kept] = [await gradientOf(halfJob(1e-8, 1)), await gradientOf(halfJob(1e-8, 2 ** 15))];
    // The last parameter is added in f32.
    expect([...lost.slice(0, 3)]).toEqual([0, 0, 0]);
    for (const value of kept) expect(Math.abs(value)).toBeGreaterThan(1e-10);
  });

  test("declines where a fixed scale overflows, saying so, and lowers a dynamic one", async () => {
    const declined = gradientOf(halfJob(1e3, 2 ** 15));
    await expect(declined).rejects.toThrow(OrderDeclinedError);
    await expect(declined).rejects.toThrow(
      /finite gradient, got one that leaves f16 at a loss scale of 32768; use .*dynamic/,
    );
    for (const value of await gradientOf(halfJob(1e3))) expect(Number.isFinite(value)).toBe(true);
    await expect(gradientOf(halfJob(1e7))).rejects.toThrow(/loss scale of 32768, 2048, 128, 8, 1/);
  });

  test("the same order gives the same bits, whatever came before", async () => {
    const [fresh, used] = [createTrainer(halfJob(1)), createTrainer(halfJob(1))];
    await used.gradient(
      base.map((value) => value * 1e3),
      examples,
      2,
    );
    const [first, second] = [await fresh.gradient(base, examples, 1), await used.gradient(base, examples, 1)];
    expect(second.gradient).toEqual(first.gradient);
  });

  test.each([1, 1e3])("a fused step has the bits of a gradient and an update, for a loss times %d", async (factor) => {
    const job = halfJob(factor);
    const model = createTraining(job)(base.slice(), { name: "sgd", learningRate: 0.1 / factor });
    await model.step(assembleBatch(examples.dataset, examples.rows, 8), { seed: 1, step: 0 });
    const gradient = await gradientOf(job);
    const optimizer = createOptimizer({ name: "sgd", learningRate: 0.1 / factor });
    const update = compile((w: Tensor, g: Tensor) => optimizer.update([w], [g], []).parameters);
    expect(await model.weights()).toEqual(await update(tensor(base), tensor(gradient))[0]?.data());
  });

  test("a step whose gradient overflows at every scale leaves parameters and optimiser state as they were", async () => {
    const model = createTraining(halfJob(1e7))(base.slice(), { name: "adam", learningRate: 0.1 });
    const before = await model.optimizerState();
    const batch = assembleBatch(examples.dataset, examples.rows, 8);
    await expect(model.step(batch, { seed: 1, step: 0 })).rejects.toThrow(OrderDeclinedError);
    expect(await model.weights()).toEqual(base);
    const [states, expected] = [await model.optimizerState(), before].map((list) =>
      list.map((each) => each.dataSync()),
    );
    expect(states).toEqual(expected);
  });

  test("trains locally as f32 does, its master weights in f32", async () => {
    const work = { epochs: 20, batchSize: 8, seed: 3, optimizer: sgd };
    const changes = await Promise.all(
      [checkJob(linearJob()), halfJob(1)].map(
        async (job) => (await createTrainer(job).train(base, examples, work)).change,
      ),
    );
    const [want, got] = changes as [Float32Array, Float32Array];
    expect(distance(got, want) / Math.hypot(...want)).toBeLessThan(5e-3);
    const updated = base.map((value, i) => value - (got[i] ?? NaN));
    expect([...updated].some((value) => value !== Math.f16round(value))).toBe(true);
  });

  test("is refused where the backend has no f16, saying what to do", () => {
    const without: Backend = {
      ...backend,
      name: "half-less",
      lacks: ["f16", "f64"],
      compile: backend.compile.bind(backend),
    };
    setBackend(without);
    expect(() => halfJob(1)).toThrow(JobRefusedError);
    expect(() => halfJob(1)).toThrow(/compute in f16, which the half-less backend here does not; join with a backend/);
    expect(() => checkJob(linearJob())).not.toThrow();
  });
});
