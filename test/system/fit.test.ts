/** Training without a coordinator: the bits of a run with one worker, from the same job. */
import { textSource } from "@weft/data";
import {
  conv2d,
  dense,
  dropout,
  embedding,
  flatten,
  lstm,
  maxPool2d,
  relu,
  sequential,
  softmaxCrossEntropy,
} from "@weft/nn";
import type { Optimizer } from "@weft/optim";
import { adagrad, adam, rmsprop, sgd } from "@weft/optim";
import { tensor } from "@weft/tensor";
import { createManifest, decodeSafetensors, flatten as flattenParameters } from "@weft/vector";
import type { Fit, Job, JobDefinition } from "weft";
import { buildJob, dataParallel, fit, train } from "weft";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { digitsJob } from "../support/digitsJob.ts";
import { runInProcess } from "../support/inProcess.ts";
import { WeftProcess, killAll } from "../support/weftProcess.ts";

const bits = (weights: Float32Array) => new Uint32Array(weights.slice().buffer);

async function flatOf({ parameters }: Fit): Promise<Float32Array> {
  const manifest = createManifest(Object.entries(parameters).map(([name, { shape }]) => ({ name, shape })));
  const values = new Map<string, Float32Array>();
  for (const [name, value] of Object.entries(parameters)) values.set(name, (await value.data()) as Float32Array);
  return flattenParameters(manifest, values);
}

async function runWithOneWorker(job: Job): Promise<Float32Array> {
  const data = await job.definition.data.load();
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
    "in mixed precision": { precision: { compute: "f16" } },
    "in mixed precision, where the first loss scale overflows": {
      precision: { compute: "f16" },
      loss: (predictions, targets) => softmaxCrossEntropy(predictions, targets).mul(1e3),
      stop: { rounds: 20 },
    },
  };
  for (const [name, changes] of Object.entries(cases)) {
    test(name, async () => {
      const job = digitsJob(changes);
      const fitted = await fit(job, { progress: false });
      expect(bits(await flatOf(fitted))).toEqual(bits(await runWithOneWorker(job)));
    });
  }

  test("with a character model: labels [batch, time], logits [batch, time, vocabulary]", async () => {
    const text = textSource("song", "row, row, row your boat, gently down the stream\n".repeat(40), { window: 12 });
    const { vocabulary } = text.tokenizer;
    const job = digitsJob({
      data: text,
      model: sequential(
        embedding({ vocabulary, features: 8 }),
        lstm({ features: 16 }),
        dense({ features: vocabulary }),
      ),
      round: dataParallel({ batchSize: 16, optimizer: adam({ learningRate: 0.02 }) }),
      stop: { epochs: 8 },
    });
    const fitted = await fit(job, { progress: false });
    expect(bits(await flatOf(fitted))).toEqual(bits(await runWithOneWorker(job)));
    // Perplexity under 2 where guessing gives the size of the vocabulary, and accuracy counted by token.
    const { loss, accuracy } = (await fitted.evaluate()) as { loss: number; accuracy: number };
    expect(Math.exp(loss)).toBeLessThan(2);
    expect(accuracy).toBeGreaterThan(0.8);
    const prompt = tensor(text.tokenizer.encode("row, row, ro"), { shape: [1, 12], dtype: "i32" });
    const next = await (await fitted.predict(prompt)).argmax({ axis: -1 }).data();
    expect(text.tokenizer.decode(next).slice(-6)).toBe("w, row");
  });

  test("over real sockets and processes", async () => {
    const job = digitsJob();
    const [fitted, run] = [await fit(job, { progress: false }), await train(job, { workers: 1 })];
    expect(bits(await flatOf(fitted))).toEqual(bits(run.outcome.weights));
    expect(fitted.history.at(-1)?.step).toBe(60);
    expect(await fitted.evaluate()).toEqual(await run.evaluate());
  });
});

describe("weft fit", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "weft-"));
  });
  afterEach(async () => {
    await killAll();
    await rm(directory, { recursive: true });
  });

  test("reports epochs and the end as events, and writes the weights", async () => {
    const out = join(directory, "model.safetensors");
    const args = ["fit", "test/jobs/digits.ts", "--epochs", "3", "--validation", "0.1", "--out", out, "--json"];
    const process = new WeftProcess(args);
    expect(await process.exited).toBe(0);
    expect(process.events.map(({ event }) => event)).toEqual(["epoch", "epoch", "epoch", "finished"]);
    expect(process.events[2]).toMatchObject({
      epoch: 3,
      step: 123,
      validation: { accuracy: expect.any(Number) as number },
    });
    expect(process.events[3]).toMatchObject({ reason: "epochs", epochs: 3, steps: 123, path: out });
    const { tensors } = decodeSafetensors(await readFile(out));
    expect([...tensors.keys()]).toContain("dense.kernel");
  });

  test("takes its length from the job, and prints plain lines in a pipe", async () => {
    const process = new WeftProcess(["fit", "test/jobs/digits.ts"]);
    expect(await process.exited).toBe(0);
    expect(process.text).toMatch(/^digits {2}2,410 parameters · 1,437 examples$/m);
    expect(process.text).toMatch(/^epoch 9\/9 {2}loss .*accuracy/m);
    expect(process.text).toMatch(/^finished \(steps\) after 400 steps: test accuracy 9\d\.\d %, loss/m);
    expect(process.text).not.toContain("\u001b");
  });

  test("an interruption ends it after the batch under way, with what it has", async () => {
    const out = join(directory, "model.safetensors");
    const process = new WeftProcess(["fit", "test/jobs/digits.ts", "--epochs", "1e6", "--out", out, "--json"]);
    await process.untilEvent("epoch");
    process.child.kill("SIGINT");
    expect(await process.exited).toBe(130);
    expect(process.events.at(-1)).toMatchObject({ event: "finished", reason: "aborted" });
    expect((await readFile(out)).length).toBeGreaterThan(9000);
  });

  test("goes on from a checkpoint to the weights of a training never interrupted", async () => {
    const path = (name: string) => join(directory, `${name}.safetensors`);
    const run = async (...args: string[]) => {
      const process = new WeftProcess(["fit", "test/jobs/digits.ts", "--json", ...args]);
      expect(await process.exited, process.text).toBe(0);
      return process.events;
    };
    await run("--epochs", "4", "--out", path("whole"));
    await run("--steps", "100", "--checkpoint", path("state"));
    const events = await run("--epochs", "4", "--resume", path("state"), "--out", path("resumed"));
    expect(events.map(({ event, step }) => [event, step])).toEqual([
      ["epoch", 135],
      ["epoch", 180],
      ["finished", undefined],
    ]);
    expect(await readFile(path("resumed"))).toEqual(await readFile(path("whole")));
  });

  test("a folder that is not there and a share that is none are refused before the training", async () => {
    const missing = new WeftProcess([
      "fit",
      "test/jobs/digits.ts",
      "--out",
      join(directory, "no", "model.safetensors"),
    ]);
    expect(await missing.exited).toBe(2);
    expect(missing.text).toMatch(/cannot write .*no folder/);
    const share = new WeftProcess(["fit", "test/jobs/digits.ts", "--validation", "1.5"]);
    expect(await share.exited).toBe(2);
    expect(share.text).toMatch(/expected a number above 0 and below 1/);
  });
});
