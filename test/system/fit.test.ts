/** Training without a coordinator: the bits of a run with one worker, from the same job. */
import { digits } from "@weft/data";
import { conv2d, dense, dropout, flatten, maxPool2d, relu, sequential } from "@weft/nn";
import type { Optimizer } from "@weft/optim";
import { adagrad, adam, rmsprop, sgd } from "@weft/optim";
import { flatten as flattenParameters, createManifest } from "@weft/vector";
import type { Fit, Job, JobDefinition } from "weft";
import { buildJob, dataParallel, fit, train } from "weft";
import { describe, expect, test } from "vitest";
import { digitsJob } from "../support/digitsJob.ts";
import { runInProcess } from "../support/inProcess.ts";

const bits = (weights: Float32Array) => new Uint32Array(weights.slice().buffer);

async function flatOf({ parameters }: Fit): Promise<Float32Array> {
  const manifest = createManifest(Object.entries(parameters).map(([name, { shape }]) => ({ name, shape })));
  const values = new Map<string, Float32Array>();
  for (const [name, value] of Object.entries(parameters)) values.set(name, (await value.data()) as Float32Array);
  return flattenParameters(manifest, values);
}

async function runWithOneWorker(job: Job): Promise<Float32Array> {
  const data = await digits().load();
  const { weights } = await runInProcess({ job: buildJob(job, data), train: data.train, workers: 1 });
  return weights;
}

describe("fit equals a run with one worker, bit for bit,", () => {
  const round = (optimizer: Optimizer, batchSize = 32) => ({ round: dataParallel({ batchSize, optimizer }) });
  const convolutional = sequential(
    conv2d({ features: 4, kernel: 3 }),
    relu,
    maxPool2d({ window: 2 }),
    flatten,
    dropout({ rate: 0.5 }),
    dense({ features: 10 }),
  );
  const cases: Record<string, Partial<JobDefinition>> = {
    "with Adam": {},
    "with a last batch of another size": round(adam({ learningRate: 3e-3 }), 100),
    "with dropout and convolution": { model: convolutional, stop: { rounds: 50 } },
    "with Nesterov momentum": round(sgd({ learningRate: 0.05, momentum: 0.9, nesterov: true })),
    "with momentum and weight decay": round(sgd({ learningRate: 0.05, momentum: 0.9, weightDecay: 1e-3 })),
    "with RMSprop": round(rmsprop({ learningRate: 1e-3, momentum: 0.5, centered: true })),
    "with Adagrad": round(adagrad({ learningRate: 0.05 })),
    "with a fraction of an epoch": { stop: { epochs: 1.3 } },
  };
  for (const [name, changes] of Object.entries(cases)) {
    test(name, async () => {
      const job = digitsJob(changes);
      const fitted = await fit(job, { progress: false });
      expect(bits(await flatOf(fitted))).toEqual(bits(await runWithOneWorker(job)));
    });
  }

  test("over real sockets and processes", async () => {
    const job = digitsJob();
    const [fitted, run] = [await fit(job, { progress: false }), await train(job, { workers: 1 })];
    expect(bits(await flatOf(fitted))).toEqual(bits(run.outcome.weights));
    expect(fitted.history.at(-1)?.step).toBe(60);
    expect(await fitted.evaluate()).toEqual(await run.evaluate());
  });
});
