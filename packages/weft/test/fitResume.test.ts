/** Fits that are interrupted and taken up again from a checkpoint: the very bits of one that was left alone. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { noise, streamed, syntheticRegression } from "@weft/data";
import { batchNorm, dense, dropout, meanAbsoluteError, meanSquaredError, sequential, tanh } from "@weft/nn";
import { adam, adjustable, cosine, exponentialMovingAverage, rmsprop, sgd } from "@weft/optim";
import type { Callback, FitOptions, JobDefinition } from "weft";
import {
  checkpoint,
  dataParallel,
  defineJob,
  earlyStopping,
  fit,
  learningRate,
  loadModel,
  reduceOnPlateau,
} from "weft";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const data = syntheticRegression({ examples: 100, features: 3, noise: 0.1, seed: 1 });

const job = (changes: Partial<JobDefinition> = {}) =>
  defineJob({
    name: "resumed",
    data,
    model: sequential(dense({ features: 4 }), tanh, dropout({ rate: 0.2 }), dense({ features: 1 })),
    loss: meanSquaredError,
    metrics: { error: meanAbsoluteError },
    round: dataParallel({ batchSize: 16, optimizer: adam({ learningRate: 0.02 }) }),
    stop: { epochs: 6 },
    seed: 3,
    ...changes,
  });
const optimizedBy = (optimizer: Parameters<typeof dataParallel>[0]["optimizer"]) => ({
  round: dataParallel({ batchSize: 16, optimizer }),
});

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "weft-"));
});
afterAll(() => rm(directory, { recursive: true }));

/** What is the same however often a fit was interrupted: parameters, and the history without its times. */
async function fitted(definition: ReturnType<typeof job>, options: FitOptions) {
  const { parameters, history, stopped } = await fit(definition, { progress: false, ...options });
  const values: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(parameters)) values[name] = await value.data();
  return { values, history: history.map((record) => ({ ...record, seconds: 0 })), stopped };
}

describe("an interrupted and resumed fit ends as an undisturbed one, bit for bit,", () => {
  /** Five batches an epoch; step 13 is in the middle of the third. */
  const interruptions = { "between epochs": 15, "within an epoch": 13, "before the last step": 29 };
  const cases: Record<string, { job?: Partial<JobDefinition>; options?: () => FitOptions }> = {
    "with Adam and dropout": {},
    "with a schedule by steps": { job: optimizedBy(adam({ learningRate: cosine({ from: 0.05, steps: 30 }) })) },
    "with nested optimisers": {
      job: optimizedBy(exponentialMovingAverage(rmsprop({ learningRate: 0.01, momentum: 0.5 }), { decay: 0.9 })),
    },
    "with running statistics": {
      job: { model: sequential(dense({ features: 4 }), batchNorm(), dense({ features: 1 })) },
    },
    "with augmentation": { job: { augment: noise({ std: 0.1 }) } },
    "with a stream, shuffled and augmented": {
      job: {
        data: streamed(data)
          .shuffle(20)
          .augment(noise({ std: 0.1 }))
          .prefetch(2),
      },
    },
    "with a rate by epoch": {
      options: () => ({ callbacks: [learningRate((epoch, initial) => initial / epoch)] }),
    },
    "with a rate that falls on a plateau": {
      options: () => ({ callbacks: [reduceOnPlateau({ metric: "loss", mode: "max", patience: 1, factor: 0.5 })] }),
    },
    "with an adjustable rate": {
      job: optimizedBy(sgd({ learningRate: adjustable(0.05), momentum: 0.9 })),
      options: () => ({ callbacks: [learningRate((epoch, initial) => initial / epoch)] }),
    },
    "with early stopping, which brings back an epoch from before": {
      options: () => ({ callbacks: [earlyStopping({ metric: "loss", patience: 3, least: 100 })] }),
    },
  };
  for (const [name, { job: changes = {}, options: given }] of Object.entries(cases)) {
    const options = (): FitOptions => given?.() ?? {};
    test(name, async () => {
      const whole = await fitted(job(changes), options());
      for (const [when, step] of Object.entries(interruptions)) {
        if (whole.history.at(-1)!.step <= step) continue;
        const path = join(directory, "state.safetensors");
        const abort = new AbortController();
        const interrupt: Callback = { onBatch: (batch) => (batch.step === step ? abort.abort() : undefined) };
        const callbacks: Callback[] = [checkpoint({ path }), interrupt, ...(options().callbacks ?? [])];
        const first = await fitted(job(changes), { ...options(), callbacks, signal: abort.signal });
        expect(first.history.at(-1)!.step, when).toBe(step);
        const second = await fitted(job(changes), { ...options(), resume: path });
        expect(second.values, when).toEqual(whole.values);
        expect(second.history, when).toEqual(whole.history.slice(-second.history.length));
        expect(second.stopped, when).toEqual(whole.stopped);
      }
    });
  }
});

describe("a checkpoint", () => {
  const path = () => join(directory, "settings.safetensors");

  test("of a fit that is done has nothing to add, and goes on where more is asked for", async () => {
    const done = await fitted(job(), { epochs: 2, callbacks: [checkpoint({ path: path() })] });
    const again = await fitted(job(), { epochs: 2, resume: path() });
    expect(again).toEqual({ ...done, history: [] });
    const more = await fitted(job(), { epochs: 3, resume: path() });
    expect(more.values).toEqual((await fitted(job(), { epochs: 3 })).values);
  });

  test("is refused for other settings, and without a state; its parameters may still be begun with", async () => {
    await fitted(job(), { epochs: 1, callbacks: [checkpoint({ path: path() })] });
    const resumed = (changes: Partial<JobDefinition>, options: FitOptions = {}) =>
      fitted(job(changes), { resume: path(), ...options });
    await expect(resumed({ seed: 4 })).rejects.toThrow(/written with seed 3, but now it is 4.*initial/);
    await expect(resumed({}, { batchSize: 8 })).rejects.toThrow(/batchSize 16, but now it is 8/);
    await expect(resumed(optimizedBy(sgd({ learningRate: 0.1 })))).rejects.toThrow(/optimizer .*adam.*sgd/);
    await expect(resumed({}, { validation: 0.5 })).rejects.toThrow(/examples 80, but now it is 40/);
    await expect(resumed({ model: dense({ features: 1 }) })).rejects.toThrow(/parameter .* expected/);
    const { parameters } = await loadModel(path());
    await expect(resumed({}, { initial: parameters })).rejects.toThrow(/give one of them/);
    await fitted(job(), {
      epochs: 1,
      initial: parameters,
      callbacks: [checkpoint({ path: path(), weightsOnly: true })],
    });
    expect((await loadModel(path())).optimizerState).toEqual([]);
    await expect(resumed({})).rejects.toThrow(/expected a checkpoint of a fit/);
  });
});
