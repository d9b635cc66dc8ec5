/** What a fit shows: on a terminal, in a pipe, and to programs. */
import type { BatchRecord, EpochRecord, FitControl } from "weft";
import { expect, test } from "vitest";
import { createOutput } from "../src/terminal/output.ts";
import { fitProgress } from "../src/fit/progress.ts";

const refuse = () => Promise.reject(new Error("not for showing"));
const control = (totalEpochs: number): FitControl => ({
  totalSteps: 10 * totalEpochs,
  totalEpochs,
  learningRate: 0.1,
  setLearningRate: () => undefined,
  stop: () => undefined,
  parameters: refuse,
  restore: refuse,
  save: refuse,
});

const batch = (step: number): BatchRecord => ({
  epoch: Math.ceil(step / 10),
  batch: ((step - 1) % 10) + 1,
  batches: 10,
  step,
  examples: 32,
  loss: 9,
  metrics: { accuracy: 0 },
  means: { loss: 0.5, accuracy: 0.75 },
});

const epoch = (number: number): EpochRecord => ({
  epoch: number,
  step: 10 * number,
  loss: 0.5,
  metrics: { accuracy: 0.75 },
  validation: { loss: 0.25 },
  seconds: 1.25,
});

/** Shows `epochs` epochs of 10 batches, one every 100 ms, and gives what was written. */
async function shown(epochs: number, stream: { isTTY: boolean; json?: boolean }): Promise<string[]> {
  const written: string[] = [];
  let now = 0;
  const nowMs = () => now;
  const output = createOutput({
    json: stream.json ?? false,
    stream: { isTTY: stream.isTTY, columns: 100, write: (text: string) => written.push(text) },
    nowMs,
  });
  const progress = fitProgress(output, { nowMs });
  await progress.onStart?.(control(epochs));
  for (let number = 1; number <= epochs; number++) {
    for (let i = 1; i <= 10; i++) {
      now += 100;
      await progress.onBatch?.(batch(10 * (number - 1) + i), control(epochs));
    }
    await progress.onEpoch?.(epoch(number), control(epochs));
  }
  await progress.onEnd?.(control(epochs));
  return written;
}

test("a terminal has a live line, replaced when the epoch is done", async () => {
  const written = await shown(2, { isTTY: true });
  expect(written[0]).toBe("\repoch 1/2  batch 1/10  loss 0.5000  accuracy 75.0 %  320 examples/s  eta 0:02\u001b[K");
  expect(written[10]).toBe("\r\u001b[Kepoch 1/2  loss 0.5000, accuracy 75.0 %  validation loss 0.2500  1.3 s\n");
  expect(written).toHaveLength(22);
});

test("a pipe has a line now and then, without control characters", async () => {
  const written = await shown(3, { isTTY: false });
  expect(written.join("")).not.toMatch(/[\r\u001b]/);
  expect(written.filter((line) => line.includes("batch"))).toHaveLength(2);
  expect(written.filter((line) => line.includes("validation"))).toHaveLength(3);
});

test("of many short epochs a line is shown every two seconds, and the last", async () => {
  const written = (await shown(60, { isTTY: false })).filter((line) => line.includes("validation"));
  expect(written).toHaveLength(31);
  expect(written.at(-1)).toMatch(/^epoch 60\/60/);
});

test("programs have an event for every epoch and nothing else", async () => {
  const written = await shown(2, { isTTY: true, json: true });
  expect(written.map((line) => JSON.parse(line) as unknown)).toEqual(
    [1, 2].map((n) => ({ event: "epoch", ...epoch(n) })),
  );
});
