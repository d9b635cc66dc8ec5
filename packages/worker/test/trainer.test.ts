/** The trainer against arithmetic done by hand. */
import { setBackend } from "@weft/tensor";
import { createReferenceBackend } from "@weft/tensor/reference";
import { beforeAll, describe, expect, test } from "vitest";
import { checkJob, createTrainer, defaultPolicy } from "@weft/worker";
import type { LocalWork } from "@weft/worker";
import { linearData, linearJob } from "./testJob.ts";

const base = Float32Array.of(0.5, -0.25, 1, 0.125);
const rows = (...indices: number[]) => Uint32Array.from(indices);

/** Gradient of mean (x·w + b − y)² by hand, in f64. */
function gradientByHand(weights: ArrayLike<number>, indices: readonly number[]) {
  const { columns } = linearData(20);
  const [x, y] = columns as [Float32Array, Float32Array];
  const gradient = [0, 0, 0, 0];
  let loss = 0;
  for (const i of indices) {
    const at = (j: number) => x[3 * i + j]!;
    const error = at(0) * weights[0]! + at(1) * weights[1]! + at(2) * weights[2]! + weights[3]! - y[i]!;
    loss += error ** 2;
    [at(0), at(1), at(2), 1].forEach((value, j) => (gradient[j]! += (2 * error * value) / indices.length));
  }
  return { gradient, loss };
}

describe("a trainer", () => {
  beforeAll(() => setBackend(createReferenceBackend()));
  const trainer = () => createTrainer(checkJob(linearJob()));

  test("gives the mean gradient and the sum of losses over the rows asked for, padding left out", async () => {
    const chosen = [3, 7, 11, 2, 19];
    const result = await trainer().gradient(base, { dataset: linearData(20), rows: rows(...chosen) }, 1);
    const expected = gradientByHand(base, chosen);
    expect(result.weight).toBe(5);
    expect(result.metrics["loss"]).toBeCloseTo(expected.loss, 3);
    expected.gradient.forEach((value, i) => expect(result.gradient[i]).toBeCloseTo(value, 4));
  });

  test("writes the change into the memory it is given, in the bits it has in memory of its own", async () => {
    const dataset = linearData(8);
    const examples = { dataset, rows: rows(0, 1, 2, 3, 4, 5, 6, 7) };
    const work: LocalWork = { epochs: 2, batchSize: 8, seed: 1, optimizer: { name: "sgd", learningRate: 0.05 } };
    const own = await trainer().train(base, examples, work);
    const room = new Float32Array(new SharedArrayBuffer(16)).fill(7);
    const { change } = await trainer().train(base, examples, { ...work, room });
    expect(change).toBe(room);
    expect([...room]).toEqual([...own.change]);
    await expect(trainer().train(base, examples, { ...work, room: new Float32Array(5) })).rejects.toThrow(
      "the manifest describes 4 elements, got a vector of 5",
    );
  });

  test("trains locally as plain gradient descent does, and returns base − result", async () => {
    const work: LocalWork = { epochs: 2, batchSize: 20, seed: 1, optimizer: { name: "sgd", learningRate: 0.05 } };
    const job = linearJob({
      round: {
        work: { kind: "local", epochs: 2, batchSize: 8, optimizer: { name: "sgd", learningRate: 0.05 } },
        cohort: { fraction: 1 },
        quorum: { fraction: 1 },
        deadlineMs: 1000,
        weighting: "examples",
        server: { name: "sgd", learningRate: 1 },
        normBound: 10,
      },
    });
    const dataset = linearData(8);
    const result = await createTrainer(checkJob(job)).train(
      base,
      { dataset, rows: rows(0, 1, 2, 3, 4, 5, 6, 7) },
      { ...work, batchSize: 8 },
    );
    let weights = [...base];
    for (let step = 0; step < 2; step++) {
      const { gradient } = gradientByHand(weights, [0, 1, 2, 3, 4, 5, 6, 7]);
      weights = weights.map((value, i) => value - 0.05 * gradient[i]!);
    }
    weights.forEach((value, i) => expect(base[i]! - result.change[i]!).toBeCloseTo(value, 4));
  });

  test("evaluates a dataset that is no multiple of its batch", async () => {
    const { loss } = await trainer().evaluate(base, linearData(20));
    const expected =
      gradientByHand(
        base,
        Array.from({ length: 20 }, (_, i) => i),
      ).loss / 20;
    expect(loss).toBeCloseTo(expected, 4);
  });

  test("predicts every row and nothing of the padding", async () => {
    const { values, shape } = await trainer().predict(Float32Array.of(1, -2, 0.5, 3), linearData(20));
    expect(shape).toEqual([20]);
    linearData(20).columns[1]!.forEach((y, i) => expect(values[i]).toBeCloseTo(y, 4));
  });

  test("initialises the same weights from the same seed, and others from another", async () => {
    const made = trainer();
    const [first, again, other] = [await made.initialize(1), await made.initialize(1), await made.initialize(2)];
    expect(first).toEqual(again);
    expect(first).not.toEqual(other);
  });
});

describe("a job is refused", () => {
  test("when its programs do not take what its document says", () => {
    const job = linearJob({ parameters: [{ name: "w", shape: [4], kind: "weight" }] });
    expect(() => checkJob(job)).toThrow(/initialize outputs are f32\[3\] f32\[\], its document says f32\[4\]/);
  });

  test("when a step needs more than the worker's policy allows, naming both figures", () => {
    expect(() => checkJob(linearJob(), { ...defaultPolicy, maxMemoryBytes: 100 })).toThrow(/MiB; this worker accepts/);
  });
});
