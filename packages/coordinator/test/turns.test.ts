/** Beginning a large run and recovering one leave the event loop to others, such as the runs beside it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeJob, sharedParameters } from "@weft/protocol";
import { createManifest } from "@weft/vector";
import { afterAll, expect, it } from "vitest";
import { copyInTurns } from "../src/model/copyInTurns.ts";
import { initialWeights } from "../src/model/initialWeights.ts";
import { ServerModel } from "../src/model/serverModel.ts";
import { readCheckpoint, writeCheckpoint } from "../src/store/checkpoint.ts";
import { nodeDisk } from "../src/store/nodeDisk.ts";
import { makeJob } from "./harness.ts";

const directory = mkdtempSync(join(tmpdir(), "weft-turns-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Turns that others had of the event loop meanwhile. */
async function turnsDuring<T>(work: () => Promise<T>): Promise<{ readonly result: T; readonly turns: number }> {
  let turns = 0;
  let isOver = false;
  const count = () => {
    turns += 1;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  const result = await work();
  isOver = true;
  return { result, turns };
}

const mebi = 2 ** 20;

it("a version is read, checked and put in place a megabyte after another", async () => {
  const size = 4 * mebi;
  const manifest = createManifest([{ name: "w", shape: [size] }]);
  const weights = Float32Array.from({ length: size }, (_, i) => i % 1013);
  const model = await ServerModel.create({ name: "sgd", learningRate: 1, momentum: 0.9 }, weights);
  const how = { disk: nodeDisk, manifest, run: "r", flush: false };
  const record = await writeCheckpoint(directory, { version: 3, weights, state: model.state() }, how);
  const read = await turnsDuring(() => readCheckpoint(directory, record, manifest));
  expect(read.result.weights).toEqual(weights);
  // Two files of 16 MiB, hashed a megabyte at a time, a few to a turn.
  expect(read.turns).toBeGreaterThan(6);
  const restored = await turnsDuring(() => model.restore(read.result.weights, read.result.state));
  expect(restored.turns).toBeGreaterThan(0);
  expect(model.weights).toEqual(weights);
});

it("initial weights are made some parameters after others, in the bits that all at once would have", async () => {
  const shapes = [mebi / 4, mebi / 4, mebi / 4, mebi / 4, mebi / 2, 7];
  const parameters = shapes.map((elements, i) => ({ name: `p${i}`, shape: [elements], kind: "weight" as const }));
  const job = decodeJob(makeJob({ parameters }));
  const manifest = createManifest(sharedParameters(job.document));
  const { result, turns } = await turnsDuring(() => initialWeights(job, manifest));
  expect(turns).toBeGreaterThanOrEqual(3);
  for (const [i, parameter] of parameters.entries()) {
    const alone = { ...job, document: { ...job.document } };
    const only = createManifest([{ ...parameter }]);
    const { offset } = manifest.entries[i]!;
    expect(await initialWeights(alone, only)).toEqual(result.subarray(offset, offset + shapes[i]!));
  }
});

it("a copy in turns is a copy", async () => {
  const from = Float32Array.from({ length: 2 * mebi + 5 }, (_, i) => i);
  const to = new Float32Array(from.length);
  const { turns } = await turnsDuring(() => copyInTurns(from, to));
  expect(to).toEqual(from);
  expect(turns).toBeGreaterThan(0);
});
