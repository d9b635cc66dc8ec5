/** One message of every kind, as honest peers send them. */
import type { CoordinatorMessage, JobDraft, JobPrograms, WorkerMessage } from "@weft/protocol";

const hash = "0123456789abcdef".repeat(4);

export const fromWorker: readonly WorkerMessage[] = [
  {
    kind: "hello",
    protocol: 1,
    software: "weft 0.1.0",
    name: "kitchen",
    capabilities: { device: "wasm", threads: 2, memoryBytes: 2 ** 33, codecs: ["f32", "f16"] },
    token: "secret",
    resume: "r",
    holds: { job: hash, versions: [{ version: 11, hash }], parts: [{ hash, bytes: 262_144 }] },
  },
  { kind: "ready", jobHash: hash, ownExamples: 600 },
  { kind: "refuse", code: "cost", reason: "needs more memory than there is" },
  { kind: "fetch", request: 3 },
  {
    kind: "update",
    run: "7f3a2c",
    round: 12,
    attempt: 0,
    version: 11,
    codec: "f32",
    weight: 32,
    metrics: { loss: 12.5, accuracy: 30 },
    computeMs: 4.25,
    transfer: { id: "t1", offset: 262_144 },
  },
  { kind: "evaluated", run: "7f3a2c", round: 12, attempt: 0, weight: 60, metrics: { loss: 12.5 }, computeMs: 2 },
  { kind: "decline", run: "7f3a2c", round: 12, attempt: 0, code: "non-finite", reason: "the loss is NaN" },
  { kind: "prefetch" },
  { kind: "leave", reason: "" },
];

export const fromCoordinator: readonly CoordinatorMessage[] = [
  { kind: "welcome", worker: "w1", resume: "r", run: "7f3a2c", jobHash: hash, heartbeatMs: 5000 },
  {
    kind: "welcome",
    worker: "w1",
    resume: "r",
    run: "7f3a2c",
    jobHash: hash,
    heartbeatMs: 5000,
    transfer: { id: "t1", bytes: 262_144 },
  },
  { kind: "refused", code: "token", reason: "wrong token", retry: false },
  { kind: "job", hash },
  { kind: "job", hash, offset: 262_144 },
  { kind: "partition", examples: 600 },
  { kind: "examples", request: 3 },
  { kind: "weights", run: "7f3a2c", version: 11, codec: "f16", hash },
  { kind: "weights", run: "7f3a2c", version: 11, codec: "f16", hash, offset: 262_144 },
  {
    kind: "work",
    run: "7f3a2c",
    round: 12,
    attempt: 0,
    version: 11,
    versionHash: hash,
    order: { kind: "gradient", examples: { kind: "slice", seed: 1, epoch: 0, start: 64, count: 32 }, seed: 9 },
    deadlineMs: 10_000,
  },
  { kind: "verdict", round: 12, attempt: 0, accepted: true, code: "accepted", reason: "", version: 12 },
  { kind: "verdict", round: 13, attempt: 2, accepted: false, code: "late", reason: "the round has closed" },
  { kind: "committed", round: 12, version: 12, metrics: { loss: 0.39 } },
  { kind: "finished", run: "7f3a2c", reason: "1 epoch", metrics: { accuracy: 0.98 } },
];

export const draft: JobDraft = {
  format: 1,
  name: "tiny",
  parameters: [
    { name: "dense.kernel", shape: [4, 2], kind: "weight" },
    { name: "dense.bias", shape: [2], kind: "weight" },
  ],
  data: {
    fields: [
      { name: "image", shape: [4], dtype: "f32", stored: "u8", scale: 1 / 255, range: [0, 1] },
      { name: "label", shape: [], dtype: "i32", stored: "u8", scale: 1 },
    ],
  },
  examples: 100,
  metrics: ["accuracy"],
  round: {
    work: { kind: "gradient", batchSize: 64 },
    cohort: { fraction: 1 },
    quorum: { fraction: 1 },
    deadlineMs: "adaptive",
    weighting: "examples",
    server: { name: "sgd", learningRate: 0.1 },
    normBound: 1e6,
  },
  codec: { up: { kind: "topK", fraction: 0.01 }, down: { kind: "int8" } },
  stop: { epochs: 1, target: { metric: "accuracy", value: 0.9, every: 10 } },
  seed: 1,
};

export const programs: JobPrograms = {
  initialize: { batch: 0, bytes: Uint8Array.of(1, 2, 3) },
  loss: [
    { batch: 32, bytes: Uint8Array.of(4) },
    { batch: 64, bytes: Uint8Array.of(5, 6, 7, 8, 9) },
  ],
  evaluate: { batch: 100, bytes: Uint8Array.of(10, 11) },
  predict: { batch: 1, bytes: Uint8Array.of(12) },
};
