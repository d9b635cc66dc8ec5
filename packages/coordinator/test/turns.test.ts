/** Beginning a large run and recovering one leave the event loop to others, such as the runs beside it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeJob, sharedParameters } from "@weft/protocol";
import { setBackend } from "@weft/tensor";
import { createReferenceBackend } from "@weft/tensor/reference";
import { loopTurns } from "@weft/transport";
import { blockElements, createManifest } from "@weft/vector";
import { afterAll, afterEach, expect, it, vi } from "vitest";
import { copyInTurns } from "../src/model/copyInTurns.ts";
import { initialWeights } from "../src/model/initialWeights.ts";
import { ServerModel } from "../src/model/serverModel.ts";
import { readCheckpoint, writeCheckpoint } from "../src/store/checkpoint.ts";
import { nodeDisk } from "../src/store/nodeDisk.ts";
import { makeJob } from "./harness.ts";

const directory = mkdtempSync(join(tmpdir(), "weft-turns-"));
afterEach(() => setBackend(createReferenceBackend()));
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

it("a large model begins, steps and learns at another rate a block after another", async () => {
  const blocks = 32;
  const size = blocks * blockElements - 5;
  const asked = vi.spyOn(loopTurns, "next");
  const slicesOf = async (work: () => Promise<unknown>) => {
    asked.mockClear();
    await work();
    return asked.mock.calls.length + 1;
  };
  let model: ServerModel | undefined;
  const spec = { name: "adam", learningRate: 1 };
  const begun = await slicesOf(async () => (model = await ServerModel.create(spec, new Float32Array(size))));
  // The step of the last block, which is shorter, is compiled by itself.
  expect(begun).toBe(blocks + 1);
  expect(await slicesOf(() => model!.step((_, out) => void out.fill(1)))).toBe(blocks);
  expect(await slicesOf(() => model!.setLearningRate(2))).toBeGreaterThanOrEqual(blocks + 1);
  asked.mockRestore();
  model!.dispose();
});

it("where there is no other thread to make them, initial weights are made some parameters after others, in the bits that all at once would have", async () => {
  setBackend({ ...createReferenceBackend(), recipe: undefined });
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
