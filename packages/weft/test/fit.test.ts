import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Dataset } from "@weft/data";
import { noise, permutation, shift, syntheticRegression, xor } from "@weft/data";
import {
  batchNorm,
  binaryAccuracy,
  binaryCrossEntropy,
  dense,
  meanAbsoluteError,
  meanSquaredError,
  sequential,
  tanh,
} from "@weft/nn";
import { adam, adjustable, cosine, sgd } from "@weft/optim";
import { tensor } from "@weft/tensor";
import type { Callback, EpochRecord, JobDefinition } from "weft";
import {
  checkpoint,
  dataParallel,
  defineJob,
  earlyStopping,
  federated,
  fit,
  learningRate,
  reduceOnPlateau,
} from "weft";
import { describe, expect, test } from "vitest";

const data = syntheticRegression({ examples: 100, features: 3, noise: 0.1, seed: 1 });
const quiet = { progress: false } as const;

const linear = (changes: Partial<JobDefinition> = {}) =>
  defineJob({
    name: "linear",
    data,
    model: dense({ features: 1 }),
    loss: meanSquaredError,
    metrics: { error: meanAbsoluteError },
    round: dataParallel({ batchSize: 16, optimizer: sgd({ learningRate: 0.1 }) }),
    stop: { epochs: 3 },
    seed: 3,
    ...changes,
  });

/** A callback that feigns figures, for those that come after it. */
const feigned =
  (losses: readonly number[]) =>
  (watcher: Callback): Callback => ({
    ...watcher,
    onEpoch: (record, control) => watcher.onEpoch?.({ ...record, loss: losses[record.epoch - 1] ?? NaN }, control),
  });

describe("fit", () => {
  test("learns, with history, predictions and parameters that agree", async () => {
    const { history, stopped, parameters, evaluate, predict } = await fit(linear({ stop: { epochs: 20 } }), quiet);
    expect(history.map(({ epoch }) => epoch)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(history.at(-1)!.loss).toBeLessThan(0.1 * history[0]!.loss);
    expect(history.at(-1)).toMatchObject({
      step: 100,
      learningRate: 0.1,
      metrics: { error: expect.any(Number) as number },
    });
    expect(stopped).toEqual({ reason: "epochs", detail: "20 epochs are done" });

    const { test: held } = await data.load();
    const inputs = tensor(held.columns[0] as Float32Array, { shape: [20, 3] });
    const targets = tensor(held.columns[1] as Float32Array, { shape: [20, 1] });
    const predictions = await predict(inputs);
    const byHand = inputs.matmul(parameters["kernel"]!).add(parameters["bias"]!);
    expect(await predictions.sub(byHand).abs().max().data()).toEqual(Float32Array.of(0));
    const loss = (await meanSquaredError(predictions, targets).data())[0]!;
    expect((await evaluate())["loss"]).toBeCloseTo(loss, 6);
  });

  test("is the same twice, and another with another seed or batch size", async () => {
    const losses = async (...args: Parameters<typeof fit>) => (await fit(...args)).history.map(({ loss }) => loss);
    const first = await losses(linear(), quiet);
    expect(await losses(linear(), quiet)).toEqual(first);
    expect(await losses(linear({ seed: 4 }), quiet)).not.toEqual(first);
    expect(await losses(linear(), { ...quiet, batchSize: 7 })).not.toEqual(first);
  });

  test("goes as far as it is told: steps, fractions of epochs, or the job's own rounds", async () => {
    const last = async (...args: Parameters<typeof fit>) => (await fit(...args)).history.at(-1);
    expect(await last(linear(), { ...quiet, steps: 7 })).toMatchObject({ epoch: 2, step: 7 });
    expect(await last(linear(), { ...quiet, epochs: 1.4 })).toMatchObject({ epoch: 2, step: 7 });
    expect(await last(linear(), { ...quiet, epochs: 2, steps: 100 })).toMatchObject({ epoch: 2, step: 10 });
    expect(await last(linear({ stop: { rounds: 11 } }), quiet)).toMatchObject({ epoch: 3, step: 11 });
  });

  test("goes on from parameters of an earlier fit", async () => {
    const first = await fit(linear(), quiet);
    const again = await fit(linear(), { ...quiet, steps: 1, initial: first.parameters });
    expect(again.history[0]!.loss).toBeLessThan(0.5 * first.history[0]!.loss);
    await expect(fit(linear(), { ...quiet, initial: { kernel: tensor([1]) } })).rejects.toThrow(
      /parameter kernel is \[1\]; expected \[3,1\]/,
    );
  });

  test("measures on a share held out, on a dataset, or on the test set", async () => {
    const { train, test: held } = await data.load();
    const share = await fit(linear(), { ...quiet, validation: 0.25 });
    expect(share.history[0]!.step).toBe(4); // 60 examples in batches of 16
    expect(Object.keys(share.history[0]!.validation!)).toEqual(["loss", "error"]);
    const [onTest, onTrain] = await Promise.all(
      (["test", train] as const).map((validation) => fit(linear(), { ...quiet, validation })),
    );
    expect(onTest!.history.at(-1)!.validation).toEqual(await onTest!.evaluate(held));
    expect(onTrain!.history.at(-1)!.validation).toEqual(await onTrain!.evaluate(train));
  });

  test("reaches a target and stops there", async () => {
    const stop = { epochs: 500, target: { metric: "loss", value: 0.02 } };
    const { history, stopped, evaluate } = await fit(linear({ stop }), quiet);
    expect(stopped.reason).toBe("target");
    expect(history.length).toBeLessThan(500);
    expect((await evaluate())["loss"]).toBeLessThanOrEqual(0.02);
  });

  test("trains a federated job centrally with its local optimiser", async () => {
    const local = { epochs: 2, batchSize: 16, optimizer: sgd({ learningRate: 0.1 }) };
    const job = linear({ round: federated({ local, server: adam({ learningRate: 1 }) }), stop: { rounds: 3 } });
    const { history } = await fit(job, quiet);
    const central = await fit(linear({ stop: { epochs: 6 } }), quiet);
    expect(history.map(({ loss }) => loss)).toEqual(central.history.map(({ loss }) => loss));
  });

  test("carries running statistics along, which the optimiser leaves alone", async () => {
    const model = sequential(batchNorm({ momentum: 0.5 }), dense({ features: 1 }));
    const optimizer = sgd({ learningRate: 0.1, momentum: 0.9, weightDecay: 0.1 });
    const options = { ...quiet, batchSize: 60, epochs: 1 };
    const job = linear({ model, round: dataParallel({ batchSize: 60, optimizer }) });
    const { parameters, evaluate } = await fit(job, options);
    // By hand: two batches, of 60 and 20 examples, each moving the statistics half the way to its own.
    const { train } = await data.load();
    const order = permutation(80, 3, 0);
    const statistics = { mean: [0, 0, 0], variance: [1, 1, 1] };
    for (const rows of [order.subarray(0, 60), order.subarray(60)]) {
      for (const feature of [0, 1, 2]) {
        const values = Array.from(rows, (row) => train.columns[0]![3 * row + feature]!);
        const mean = values.reduce((sum, x) => sum + x, 0) / rows.length;
        const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (rows.length - 1);
        statistics.mean[feature] = (statistics.mean[feature]! + mean) / 2;
        statistics.variance[feature] = (statistics.variance[feature]! + variance) / 2;
      }
    }
    for (const name of ["mean", "variance"] as const) {
      const measured = await parameters[`batchNorm.${name}`]!.data();
      measured.forEach((value, i) => expect(value).toBeCloseTo(statistics[name][i]!, 5));
    }
    const longer = await fit(job, { ...quiet, epochs: 10 });
    expect((await longer.evaluate())["loss"]).toBeLessThan((await evaluate())["loss"]!);
  });

  test("solves exclusive or, whose four rows are far fewer than a batch", async () => {
    const job = defineJob({
      name: "xor",
      data: xor(),
      model: sequential(dense({ features: 8 }), tanh, dense({ features: 1 })),
      loss: binaryCrossEntropy,
      metrics: { accuracy: binaryAccuracy },
      round: dataParallel({ batchSize: 32, optimizer: adam({ learningRate: 0.05 }) }),
      stop: { epochs: 300 },
    });
    const { evaluate } = await fit(job, quiet);
    expect((await evaluate())["accuracy"]).toBe(1);
  });

  test("augments what it trains on, the same way for the same seed", async () => {
    const losses = async (augment: NonNullable<Parameters<typeof fit>[1]>["augment"]) =>
      (await fit(linear(), { ...quiet, ...(augment ? { augment } : {}) })).history.map(({ loss }) => loss);
    const noisy = await losses([noise({ std: 0.1 })]);
    expect(noisy).not.toEqual(await losses(undefined));
    expect(noisy).toEqual(await losses(noise({ std: 0.1 })));
    await expect(losses(shift({ pixels: 1 }))).rejects.toThrow(/shift: expected images/);
  });

  test("ends on a signal with what was trained until then", async () => {
    const abort = new AbortController();
    const callback: Callback = { onBatch: ({ step }) => (step === 8 ? abort.abort("enough") : undefined) };
    const { stopped, history } = await fit(linear(), { ...quiet, signal: abort.signal, callbacks: [callback] });
    expect(stopped).toEqual({ reason: "aborted", detail: "enough" });
    expect(history.at(-1)).toMatchObject({ epoch: 2, step: 8 });
  });

  test("says at which step the loss was lost", async () => {
    const round = dataParallel({ batchSize: 16, optimizer: sgd({ learningRate: 1e20 }) });
    await expect(fit(linear({ round }), quiet)).rejects.toThrow(
      /the loss became .* at step \d; lower the learning rate/,
    );
  });

  test("refuses options that it does not have", async () => {
    const told = (options: object) => fit(linear(), { ...quiet, ...options });
    await expect(told({ validationSplit: 0.1 })).rejects.toThrow(/no option validationSplit; expected only epochs,/);
    await expect(told({ callbacks: earlyStopping({ metric: "loss", patience: 1 }) })).rejects.toThrow(
      /callbacks is no list/,
    );
  });

  test("refuses an empty training set and lengths that are none", async () => {
    const { train, test: held } = await data.load();
    const none: Dataset = { ...train, size: 0, columns: [new Float32Array(), new Float32Array()] };
    const empty = linear({ data: { name: "empty", load: () => Promise.resolve({ train: none, test: held }) } });
    await expect(fit(empty, quiet)).rejects.toThrow(/training set is empty/);
    await expect(fit(linear(), { ...quiet, epochs: 0 })).rejects.toThrow(/epochs is 0; expected a positive number/);
    await expect(fit(linear(), { ...quiet, batchSize: 1.5 })).rejects.toThrow(/batchSize is 1.5/);
  });
});

describe("callbacks", () => {
  test("are told of every batch and epoch in order", async () => {
    const told: string[] = [];
    const callback: Callback = {
      onStart: ({ totalSteps, totalEpochs }) => void told.push(`start ${totalSteps} ${totalEpochs}`),
      onBatch: ({ epoch, batch, batches, step, examples }) =>
        void told.push(`${epoch}: ${batch}/${batches} ${step} ${examples}`),
      onEpoch: ({ epoch }) => void told.push(`epoch ${epoch}`),
      onEnd: () => void told.push("end"),
    };
    await fit(linear({ stop: { epochs: 2 } }), { ...quiet, batchSize: 50, callbacks: [callback] });
    const batches = ["1: 1/2 1 50", "1: 2/2 2 30", "epoch 1", "2: 1/2 3 50", "2: 2/2 4 30", "epoch 2"];
    expect(told).toEqual(["start 4 2", ...batches, "end"]);
  });

  test("early stopping waits as long as its patience, and brings back the best epoch", async () => {
    const losses = [5, 3, 4, 3, 3.5, 1];
    const kernels: number[] = [];
    const note: Callback = {
      onEpoch: async (_, { parameters }) => void kernels.push((await (await parameters())["kernel"]!.data())[0]!),
    };
    const stopping = feigned(losses)(earlyStopping({ metric: "loss", patience: 3 }));
    const options = { ...quiet, epochs: 10, callbacks: [note, stopping] };
    const { history, stopped, parameters } = await fit(linear(), options);
    expect(history).toHaveLength(5);
    expect(stopped.reason).toBe("callback");
    expect(stopped.detail).toMatch(/loss has not been better than in epoch 2 for 3 epochs/);
    expect((await parameters["kernel"]!.data())[0]).toBe(kernels[1]);
    expect(new Set(kernels).size).toBe(5);
  });

  test("early stopping can keep the last epoch, and names what it cannot find", async () => {
    const kept = feigned([1, 2, 3])(earlyStopping({ metric: "loss", patience: 1, restoreBest: false }));
    const two = await fit(linear(), { ...quiet, epochs: 10, callbacks: [kept] });
    const plain = await fit(linear(), { ...quiet, epochs: 2 });
    expect(await two.parameters["kernel"]!.data()).toEqual(await plain.parameters["kernel"]!.data());
    const unknown = fit(linear(), { ...quiet, callbacks: [earlyStopping({ metric: "accuracy", patience: 1 })] });
    await expect(unknown).rejects.toThrow(/no metric accuracy to watch; expected one of loss, error/);
  });

  test("checkpoints are written every so often, or only when better", async () => {
    const directory = await mkdtemp(join(tmpdir(), "weft-"));
    try {
      const path = (name: string) => join(directory, `${name}-{epoch}.safetensors`);
      const best = feigned([5, 4, 6, 3, 7])(checkpoint({ path: path("best"), best: { metric: "loss" } }));
      const callbacks = [checkpoint({ path: path("every"), every: 2 }), best];
      await fit(linear(), { ...quiet, epochs: 5, callbacks });
      const names = ["best-1", "best-2", "best-4", "every-2", "every-4"].map((name) => `${name}.safetensors`);
      expect((await readdir(directory)).sort()).toEqual(names);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  test("the learning rate follows a rule by epoch, or falls on a plateau", async () => {
    const rates = (history: readonly EpochRecord[]) => history.map((record) => record.learningRate);
    const halving = learningRate((epoch, initial) => initial / 2 ** (epoch - 1));
    const halved = await fit(linear(), { ...quiet, epochs: 3, callbacks: [halving] });
    expect(rates(halved.history)).toEqual([0.1, 0.05, 0.025]);
    const still = (epochs: number) => fit(linear(), { ...quiet, epochs, callbacks: [learningRate(() => 0)] });
    expect(await (await still(3)).evaluate()).toEqual(await (await still(1)).evaluate());
    const plateau = feigned([5, 4, 4, 4, 4])(reduceOnPlateau({ metric: "loss", patience: 2, factor: 0.5 }));
    const fallen = await fit(linear(), { ...quiet, epochs: 5, callbacks: [plateau] });
    expect(rates(fallen.history)).toEqual([0.1, 0.1, 0.1, 0.1, 0.05]);
  });

  test("a schedule shows in the history and is left alone; an adjustable rate is changed within the state", async () => {
    const withRate = (rate: number | ReturnType<typeof cosine> | ReturnType<typeof adjustable>) =>
      linear({ round: dataParallel({ batchSize: 16, optimizer: adam({ learningRate: rate }) }) });
    const scheduled = await fit(withRate(cosine({ from: 0.1, steps: 15 })), quiet);
    const rates = [5, 10, 15].map((step) => 0.05 * (1 + Math.cos((Math.PI * (step - 1)) / 15)));
    scheduled.history.forEach((record, i) => expect(record.learningRate).toBeCloseTo(rates[i]!, 6));
    const halving = () => [learningRate((epoch, initial) => initial / 2 ** (epoch - 1))];
    await expect(fit(withRate(cosine({ from: 0.1, steps: 15 })), { ...quiet, callbacks: halving() })).rejects.toThrow(
      /follows a schedule.*adjustable/,
    );
    const [inState, compiled] = [adjustable(0.1), 0.1].map((rate) =>
      fit(withRate(rate), { ...quiet, callbacks: halving() }),
    );
    expect((await inState!).history.map((record) => record.learningRate)).toEqual([0.1, 0.05, 0.025]);
    expect((await (await inState!).evaluate())["loss"]).toBeCloseTo((await (await compiled!).evaluate())["loss"]!, 6);
  });
});
