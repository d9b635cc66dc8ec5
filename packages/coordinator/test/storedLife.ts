/** A run of seven rounds on disk, without sessions: written, interrupted, gone on with. */
import { hash } from "node:crypto";
import { cpSync } from "node:fs";
import { fragmentOf } from "@weft/protocol";
import { createManifest } from "@weft/vector";
import { plainLayout } from "../src/model/layout.ts";
import { ServerModel } from "../src/model/serverModel.ts";
import { createRun } from "../src/store/createRun.ts";
import type { Disk } from "../src/disk.ts";
import { resumeRun } from "../src/store/resumeRun.ts";
import type { RunStore } from "../src/store/runStore.ts";
import { adam, makeJob } from "./harness.ts";

const size = 2000;
export const rounds = 7;
export const manifest = createManifest([
  { name: "first", shape: [3] },
  { name: "rest", shape: [size - 3] },
]);
/** By the parameters, where rounds bring them in by turns. */
const streamedLayout = {
  ...plainLayout(size),
  fragments: [
    { start: 0, end: 3 },
    { start: 3, end: size },
  ],
};
export const newModel = (streams = false) =>
  ServerModel.create(
    adam,
    Float32Array.from({ length: size }, (_, i) => Math.sin(i)),
    streams ? { layout: streamedLayout } : {},
  );
export const hashOf = ({ weights }: ServerModel) => hash("sha256", new Uint8Array(weights.slice().buffer), "hex");
const updateOf = (version: number, block: number, out: Float32Array) => {
  for (let i = 0; i < out.length; i++) out[i] = Math.fround(Math.cos(i + 1000 * block) * version);
};

async function runRound(store: RunStore, model: ServerModel, version: number): Promise<void> {
  const update = (block: number, out: Float32Array) => updateOf(version, block, out);
  const fragment = fragmentOf(version, model.ranges.length);
  store.beginRound(version, { elements: model.elementsOf(fragment) });
  await model.step(update, { sink: (part) => store.logUpdate(part), fragment });
  const record = {
    round: version,
    version,
    attempt: 0,
    time: 0,
    ms: 1,
    cohort: ["a"],
    updates: 1,
    examples: 12,
    bytesUp: 1,
    traffic: [{ worker: "a", kind: "update", codec: "int8", bytesUp: 1, bytesDown: 1 }],
    counted: [{ worker: "a", round: version, attempt: 0 }],
    bytesDown: 1,
    metrics: { loss: 1 / version },
    hash: hashOf(model),
    progress: { epoch: 0, start: 12 * version, epochs: 0, expected: 1, positions: {} },
  };
  await store.commitRound(record, update);
}

interface Life {
  readonly directory: string;
  /** Told after each committed round. */
  readonly onCommitted?: (version: number) => void;
  readonly disk?: Disk;
  readonly streams?: boolean;
}

export const checkpoint = { everyRounds: 3, keep: 2 };
export const job = makeJob({ size });
const streaming = { fragments: 2 };
const local = { kind: "local", steps: 1, batchSize: 12, optimizer: { name: "sgd" }, streaming } as const;
export const streamedJob = makeJob({ size, round: { work: local } });

export async function liveFirst({ directory, disk, onCommitted, streams = false }: Life): Promise<ServerModel> {
  const model = await newModel(streams);
  const about = { run: "abc123", name: "test", job: streams ? streamedJob : job, manifest };
  const store = await createRun({ directory, disk, checkpoint }, about);
  try {
    await store.checkpoint({ version: 0, weights: model.weights, state: model.state() });
    await liveOn(store, model, { from: 1, onCommitted });
  } catch (error) {
    await store.close();
    throw error;
  }
  return model;
}

export async function liveOn(
  store: RunStore,
  model: ServerModel,
  { from, onCommitted }: { from: number; onCommitted?: ((version: number) => void) | undefined },
): Promise<void> {
  for (let version = from; version <= rounds; version++) {
    await runRound(store, model, version);
    onCommitted?.(version);
    if (store.wantsCheckpoint) await store.checkpoint({ version, weights: model.weights, state: model.state() });
  }
  await store.checkpoint({ version: rounds, weights: model.weights, state: model.state() }, { flush: true });
  await store.close();
}

export async function resume(directory: string, streams = false) {
  const model = await newModel(streams);
  const resumed = await resumeRun(
    { directory, checkpoint },
    { run: "abc123", name: "test", manifest, model, weighting: "examples", hash: () => Promise.resolve(hashOf(model)) },
  );
  return { model, resumed };
}

/** As a kill right after the last round leaves it in `to`, its last checkpoint at 6. */
export async function interrupted(from: string, to: string): Promise<void> {
  await liveFirst({
    directory: from,
    onCommitted: (version) => {
      if (version === rounds) cpSync(from, to, { recursive: true });
    },
  });
}
