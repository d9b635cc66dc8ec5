/** Every message of the wire with its schema. Bytes from the network are `unknown` until one of these has parsed them. */
// As a namespace, so that bundlers for the browser leave out what is not used.
import * as z from "zod";

/** Raised whenever an older peer could misunderstand a newer one. */
export const protocolVersion = 1;

const text = z.string().max(2000);
const identifier = z.string().min(1).max(128);
const count = z.int().nonnegative();
const hash = z.string().regex(/^[0-9a-f]{64}$/);
/** A codec with its settings as text, which must be the job's: "int8", "topK(0.01)". */
const codec = z.string().min(1).max(64);
const figures = z.record(z.string().max(200), z.number());

/** What a worker can do; the coordinator chooses codecs and work by it. */
const capabilitiesSchema = z.strictObject({
  device: z.string().max(200),
  threads: z.int().positive(),
  memoryBytes: count,
  /** Kinds of codecs it can read and write. */
  codecs: z.array(z.string().min(1).max(32)).min(1).max(64),
});

/** Which examples: a slice of the seeded permutation of the coordinator's set for an epoch, or the worker's own share. */
const examplesSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("slice"), seed: count, epoch: count, start: count, count }),
  /** `count` examples of the worker's own data (or assigned partition), at `position` of its seeded stream. */
  z.strictObject({ kind: z.literal("own"), seed: count, position: count, count }),
]);

const orderSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("gradient"), examples: examplesSchema, seed: count }),
  /** Training on the worker's own share, for so many epochs or so many steps. */
  z
    .strictObject({
      kind: z.literal("local"),
      epochs: z.int().positive().optional(),
      steps: z.int().positive().optional(),
      batchSize: z.int().positive(),
      seed: count,
    })
    .refine(({ epochs, steps }) => (epochs === undefined) !== (steps === undefined), {
      message: "either epochs or steps expected",
    }),
  /** Measure the version on examples held out from training; answered by `evaluated`. */
  z.strictObject({ kind: z.literal("evaluate") }),
]);

/** What a worker kept of earlier connections, so that it need not be sent again. */
const holdingsSchema = z.strictObject({
  /** The job, checked before. */
  job: hash.optional(),
  /** Versions of the model, whole. */
  versions: z.array(z.strictObject({ version: count, hash })).max(4),
  /** Updates that this worker does not know the fate of; answered in `welcome`. */
  updates: z
    .array(z.strictObject({ round: count, attempt: count }))
    .max(16)
    .optional(),
  /** Jobs and versions that broke off: the first `bytes` of the payload that hashes to `hash`. */
  parts: z.array(z.strictObject({ hash, bytes: count })).max(4),
});

/** Payloads whose connection broke go on where they stopped: this one begins at byte `offset` of the transfer `id`. */
const transferSchema = z.strictObject({ id: identifier, offset: count });

const updateFiguresSchema = z.strictObject({
  /** Local steps that were made ("normalized"). */
  steps: z.int().positive().optional(),
  /** h of the q-FedAvg paper, divided by its L ("fair"). */
  curvature: z.number().positive().optional(),
});

/** From worker to coordinator. Payloads are named in the comments; all numbers in them are little-endian. */
export const workerMessages = {
  /** First message of every connection. `resume` reclaims an identity after a lost connection. */
  hello: z.strictObject({
    kind: z.literal("hello"),
    protocol: count,
    software: z.string().max(100),
    name: z.string().max(100),
    capabilities: capabilitiesSchema,
    token: z.string().max(500).optional(),
    resume: z.string().max(500).optional(),
    /** Which of the coordinator's runs, by id or job's name; default any that wants workers. */
    run: identifier.optional(),
    holds: holdingsSchema.optional(),
  }),
  /** The job was checked and compiled; work may be sent. `ownExamples`: size of the data the worker brought itself. */
  ready: z.strictObject({ kind: z.literal("ready"), jobHash: hash, ownExamples: count.optional() }),
  /** The worker will not do this job (its policy, cost, missing data). */
  refuse: z.strictObject({ kind: z.literal("refuse"), code: identifier, reason: text }),
  /** Payload: u32 indices of examples wanted. */
  fetch: z.strictObject({ kind: z.literal("fetch"), request: count }),
  /**
   * Payload: the flat vector in the job's codec for updates: a gradient, or base − local result; of a job that streams, the round's part of it.
   * `weight` is the examples it stands for.
   */
  update: z.strictObject({
    kind: z.literal("update"),
    run: identifier,
    round: count,
    attempt: count,
    version: count,
    codec,
    weight: z.number().nonnegative(),
    /** Sums over those examples: `loss` and each metric of the job. */
    metrics: figures,
    /** What the round's weighting asks for besides. */
    figures: updateFiguresSchema.optional(),
    computeMs: z.number().nonnegative(),
    /** Names the payload for as long as the worker keeps it; without one it cannot be gone on with. */
    transfer: transferSchema.optional(),
  }),
  /** Answers an order to evaluate: sums of `loss` and each metric over `weight` held-out examples. */
  evaluated: z.strictObject({
    kind: z.literal("evaluated"),
    run: identifier,
    round: count,
    attempt: count,
    weight: z.number().nonnegative(),
    metrics: figures,
    computeMs: z.number().nonnegative(),
  }),
  /** The order cannot be carried out (hash mismatch, non-finite loss …); the round goes on without this worker. */
  decline: z.strictObject({
    kind: z.literal("decline"),
    run: identifier,
    round: count,
    attempt: count,
    code: identifier,
    reason: text,
  }),
  /** The order under way is nearly done: send the newest version now, if this worker does not hold it. */
  prefetch: z.strictObject({ kind: z.literal("prefetch") }),
  leave: z.strictObject({ kind: z.literal("leave"), reason: text }),
} as const;

/** From coordinator to worker. */
export const coordinatorMessages = {
  welcome: z.strictObject({
    kind: z.literal("welcome"),
    worker: identifier,
    resume: z.string().max(500),
    run: identifier,
    jobHash: hash,
    heartbeatMs: z.int().positive(),
    /** The worker's own update that broke off: `bytes` of the transfer `id` are held, to be gone on with. */
    transfer: z.strictObject({ id: identifier, bytes: count }).optional(),
    /** Those of `holds.updates` that were counted, and the versions that they went or will go into. */
    counted: z
      .array(z.strictObject({ round: count, attempt: count, version: count }))
      .max(16)
      .optional(),
  }),
  /** Sent instead of `welcome`, before closing. `retry` says whether coming back later can help. */
  refused: z.strictObject({ kind: z.literal("refused"), code: identifier, reason: text, retry: z.boolean() }),
  /** Payload: the encoded job document (see encodeJob); its SHA-256 is `hash`. Of one that broke off, from `offset` on. */
  job: z.strictObject({ kind: z.literal("job"), hash, offset: count.optional() }),
  /** Payload: u32 indices of the examples that are this worker's share of the coordinator's set (local work). */
  partition: z.strictObject({ kind: z.literal("partition"), examples: count }),
  /** Payload: stored rows in the order asked, field after field. Answers `fetch`. */
  examples: z.strictObject({ kind: z.literal("examples"), request: count }),
  /**
   * Payload: the flat vector of a version in the job's codec for weights; `hash` is the SHA-256 of these bytes. Or, with
   * `delta`, how they differ from those of another version that the worker holds; its `hash` is then of the payload. Where the job streams
   * that is the encoded parts which rounds since then have brought in, in their order within the vector, or what is shorter: how they differ.
   */
  weights: z.strictObject({
    kind: z.literal("weights"),
    run: identifier,
    version: count,
    codec,
    hash,
    delta: z.strictObject({ from: count, hash }).optional(),
    /** Where the payload begins in those bytes, when the worker holds what comes before. */
    offset: count.optional(),
  }),
  /** Do this on version `version`; complete, so any step can be recomputed elsewhere. */
  work: z.strictObject({
    kind: z.literal("work"),
    run: identifier,
    round: count,
    attempt: count,
    version: count,
    versionHash: hash,
    order: orderSchema,
    deadlineMs: count,
  }),
  /** What became of an update. */
  verdict: z.strictObject({
    kind: z.literal("verdict"),
    round: count,
    attempt: count,
    accepted: z.boolean(),
    code: identifier,
    reason: text,
    /** Of an accepted update: the version that it goes into, once that is committed. */
    version: count.optional(),
  }),
  /** A round was committed: progress for whoever shows it. Metrics are means over the round's examples. */
  committed: z.strictObject({ kind: z.literal("committed"), round: count, version: count, metrics: figures }),
  /** The run is over; the worker may go. */
  finished: z.strictObject({ kind: z.literal("finished"), run: identifier, reason: text, metrics: figures }),
} as const;

type Union<T extends Record<string, z.ZodType>> = z.infer<T[keyof T]>;
export type WorkerMessage = Union<typeof workerMessages>;
export type CoordinatorMessage = Union<typeof coordinatorMessages>;
export type Message = WorkerMessage | CoordinatorMessage;
export type MessageKind = Message["kind"];
export type Capabilities = z.infer<typeof capabilitiesSchema>;
export type UpdateFigures = z.infer<typeof updateFiguresSchema>;
export type WorkOrder = z.infer<typeof orderSchema>;
export type ExampleChoice = z.infer<typeof examplesSchema>;
export type MessageOf<K extends MessageKind> = Extract<Message, { kind: K }>;
