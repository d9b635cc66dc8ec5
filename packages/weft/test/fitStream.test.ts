/** Fits whose examples come one after another, and jobs that only `fit` can train. */
import type { Dataset, Example, StreamSource } from "@weft/data";
import { assembleBatch, fromExamples, noise, permutation, streamed, syntheticRegression } from "@weft/data";
import { batchNorm, dense, meanAbsoluteError, meanSquaredError, sequential } from "@weft/nn";
import { sgd } from "@weft/optim";
import type { Callback, FitOptions, JobDefinition } from "weft";
import { buildJob, dataParallel, defineJob, fit, train } from "weft";
import { describe, expect, test } from "vitest";

const data = syntheticRegression({ examples: 100, features: 3, noise: 0.1, seed: 1 });
const { train: whole, test: held } = await data.load();
const seed = 3;

const job = (changes: Partial<JobDefinition> = {}) =>
  defineJob({
    name: "streamed",
    data,
    model: dense({ features: 1 }),
    loss: meanSquaredError,
    metrics: { error: meanAbsoluteError },
    round: dataParallel({ batchSize: 16, optimizer: sgd({ learningRate: 0.1 }) }),
    stop: { epochs: 3 },
    seed,
    ...changes,
  });

function* rowsOf(dataset: Dataset, order: Iterable<number>): Generator<Example> {
  for (const row of order) yield assembleBatch(dataset, [row], 1).fields;
}

const range = (size: number) => Array.from({ length: size }, (_, i) => i);

/** The examples of the dataset from a generator, epoch by epoch in the order given. */
function generated(order: (epoch: number) => Iterable<number>, size?: number): StreamSource {
  let epoch = 0;
  return fromExamples({
    fields: whole.contract.fields,
    train: () => rowsOf(whole, order(epoch++)),
    test: () => rowsOf(held, range(held.size)),
    ...(size === undefined ? {} : { size }),
  });
}

async function trained(changes: Partial<JobDefinition>, options: FitOptions = {}) {
  const { parameters, history, stopped } = await fit(job(changes), { progress: false, ...options });
  const values: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(parameters)) values[name] = await value.data();
  return { values, losses: history.map(({ loss }) => loss), steps: history.map(({ step }) => step), stopped };
}

describe("a fit from a stream", () => {
  test("has the bits of one from a dataset, where the order is the same", async () => {
    const sameOrder = (size?: number) => generated((epoch) => permutation(whole.size, seed, epoch), size);
    const plain = await trained({});
    expect(await trained({ data: sameOrder(80) })).toEqual(plain);
    expect(await trained({ data: sameOrder().prefetch(3) })).toEqual(plain);
    const noisy = { augment: noise({ std: 0.1 }) };
    expect(await trained({ data: streamed(data), ...noisy })).toEqual(
      await trained({ data: generated(() => range(80)), ...noisy }),
    );
  });

  test("shuffles by seed and epoch", async () => {
    const shuffled = { data: streamed(data).shuffle(20) };
    const first = await trained(shuffled);
    expect(await trained(shuffled)).toEqual(first);
    expect(await trained({ ...shuffled, seed: 4 })).not.toEqual(first);
    expect(await trained({ data: streamed(data) })).not.toEqual(first);
  });

  test("of unknown size ends an epoch with its last, smaller batch; lengths may be told in steps too", async () => {
    const source = () => generated(() => range(70));
    const seen: unknown[] = [];
    const callback: Callback = {
      onBatch: ({ epoch, batch, batches, examples }) => void seen.push([epoch, batch, batches, examples]),
      onStart: ({ totalSteps, totalEpochs }) => void seen.push([totalSteps, totalEpochs]),
    };
    const { steps, stopped } = await trained({ data: source() }, { epochs: 2, callbacks: [callback] });
    expect(steps).toEqual([5, 10]);
    expect(stopped).toEqual({ reason: "epochs", detail: "2 epochs are done" });
    expect(seen[0]).toEqual([undefined, 2]);
    expect(seen[5]).toEqual([1, 5, undefined, 6]);
    expect((await trained({ data: source() }, { steps: 7 })).steps).toEqual([5, 7]);
  });

  test("reads ahead while it trains, and no further than told", async () => {
    let read = 0;
    const counted = generated(() => range(80)).map((example) => (read++, example));
    const furthest: number[] = [];
    const callback: Callback = { onBatch: ({ step }) => void furthest.push(read - held.size - step * 16) };
    await trained({ data: counted.prefetch(2) }, { epochs: 1, callbacks: [callback] });
    expect(Math.max(...furthest)).toBeLessThanOrEqual(2 * 16 + 1);
    expect(Math.max(...furthest)).toBeGreaterThanOrEqual(16);
  });

  test("is measured on datasets, as any other", async () => {
    const fitted = await fit(job({ data: streamed(data) }), { progress: false, validation: "test" });
    expect(fitted.history.at(-1)!.validation).toEqual(await fitted.evaluate());
    await expect(trained({ data: streamed(data) }, { validation: 0.1 })).rejects.toThrow(/is a stream; give a dataset/);
  });

  test("says what is wrong with it", async () => {
    await expect(trained({ data: generated(() => []) })).rejects.toThrow(/the stream has no examples/);
    await expect(trained({ data: generated(() => range(70), 80) })).rejects.toThrow(/expected 80 examples.*got 70/);
    await expect(trained({ data: generated(() => range(80), 70) })).rejects.toThrow(/expected 70 examples.*got more/);
    await expect(trained({ data: generated(() => range(80)) }, { epochs: 1.5 })).rejects.toThrow(/epochs is 1.5.*size/);
    const measured = { model: sequential(batchNorm(), dense({ features: 1 })) };
    await expect(trained({ data: generated(() => range(80)), ...measured })).rejects.toThrow(/give the stream's size/);
    expect((await trained({ data: generated(() => range(80), 80), ...measured })).steps).toEqual([5, 10, 15]);
    const infinite = generated(() => range(80)).map(([, y]) => [[NaN, 0, 0], y!]);
    await expect(trained({ data: infinite })).rejects.toThrow(/batch 1 of epoch 1: x: row 0 expected a finite number/);
  });
});

describe("a job with augmentation or a stream", () => {
  test("is refused before a run begins, for workers can do neither", async () => {
    const augmented = job({ augment: noise({ std: 0.1 }) });
    expect(() => buildJob(augmented, { train: whole })).toThrow(/augment is a function.*train with fit/);
    await expect(train(augmented)).rejects.toThrow(/augment is a function/);
    await expect(train(job({ data: streamed(data) }))).rejects.toThrow(/expected a dataset, got a stream/);
  });

  test("has its own augmentation before that of the options", async () => {
    const both = await trained({ augment: noise({ std: 0.1 }) }, { augment: noise({ std: 0.2 }) });
    expect(both).toEqual(await trained({}, { augment: [noise({ std: 0.1 }), noise({ std: 0.2 })] }));
    expect(both).not.toEqual(await trained({}));
  });
});
