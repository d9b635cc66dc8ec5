/** Rounds of workers that compute in f16: one model in f32, near that of f32, and no gradient that is not a number on the wire. */
import type { CoordinatorEvent } from "@weft/coordinator";
import { setBackend } from "@weft/tensor";
import { createWasmBackend } from "@weft/wasm";
import { checkJob, createTrainer } from "@weft/worker";
import { softmaxCrossEntropy } from "@weft/nn";
import type { JobDefinition } from "weft";
import { buildJob } from "weft";
import { beforeAll, expect, test } from "vitest";
import { digitsJob } from "../support/digitsJob.ts";
import { runInProcess } from "../support/inProcess.ts";

beforeAll(() => setBackend(createWasmBackend()));

async function trained(changes: Partial<JobDefinition>) {
  const definition = digitsJob({ stop: { rounds: 200 }, ...changes });
  const { train, test } = await definition.definition.data.load();
  const job = buildJob(definition, { train });
  const events: CoordinatorEvent[] = [];
  const { weights } = await runInProcess({ job, train, workers: 3, onEvent: (event) => events.push(event) });
  const figures = await createTrainer(checkJob(job)).evaluate(weights, test);
  return { weights, events, accuracy: figures["accuracy"] ?? NaN };
}

test("three workers in f16 reach the accuracy of three in f32", async () => {
  const [plain, mixed] = [await trained({}), await trained({ precision: { compute: "f16" } })];
  expect(plain.accuracy).toBeGreaterThan(0.9);
  expect(mixed.accuracy).toBeGreaterThan(plain.accuracy - 0.015);
  expect(mixed.weights.some((value) => value !== Math.f16round(value))).toBe(true);
});

test("workers whose gradients overflow at the first scale go on at a smaller one, and no update is refused", async () => {
  const loss: JobDefinition["loss"] = (predictions, targets) => softmaxCrossEntropy(predictions, targets).mul(1e3);
  const { weights, events, accuracy } = await trained({ loss, precision: { compute: "f16" }, stop: { rounds: 100 } });
  expect(weights.every(Number.isFinite)).toBe(true);
  expect(accuracy).toBeGreaterThan(0.8);
  expect(events.map(({ event }) => event)).not.toContain("refusedUpdate");
});
