/** What a run's record consists of, and how each piece of it is checked when it is read. */
import * as z from "zod";
import type { KindTraffic } from "../events.ts";
import type { CheckpointOptions } from "../options.ts";
import type { DurableProgress } from "../round/durable.ts";
import type { Changes } from "../round/state.ts";

/** Names an update that was counted. */
export interface CountedUpdate {
  readonly worker: string;
  readonly round: number;
  readonly attempt: number;
}

/** What one worker moved between two rounds, of one kind of message in one codec. */
export interface TrafficEntry extends KindTraffic {
  /** Identity; empty for connections that never said who they are. */
  readonly worker: string;
}

/** A committed round. */
export interface RoundRecord {
  readonly round: number;
  readonly version: number;
  readonly attempt: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly ms: number;
  /** Identities of the workers invited. */
  readonly cohort: readonly string[];
  readonly updates: number;
  readonly examples: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** Training means, `loss` among them. */
  readonly metrics: Readonly<Record<string, number>>;
  /** SHA-256 of the version's flat vector in the job's codec for weights. */
  readonly hash: string;
  readonly progress: DurableProgress;
  /** Where the bytes went; they add up to `bytesUp` and `bytesDown`. */
  readonly traffic: readonly TrafficEntry[];
  /** The updates in it. */
  readonly counted: readonly CountedUpdate[];
}

/** A version and its optimiser state, whole on disk; the hashes are of the files. */
export interface CheckpointRecord {
  readonly version: number;
  readonly versionSha256: string;
  readonly stateSha256: string;
  /** Flushed to the device, so that it survives a power cut. */
  readonly flushed: boolean;
}

export interface StoredWorker {
  readonly id: string;
  readonly slot: number;
  readonly name: string;
  /** SHA-256 of its resume token. */
  readonly tokenHash: string;
}

export type RunStatus = "running" | "finished" | "stopped" | "failed";

export interface RunMeta {
  readonly name: string;
  readonly createdAt: number;
  readonly status: RunStatus;
  /** Why it ended; empty while it runs. */
  readonly detail: string;
  /** Of the last evaluation. */
  readonly metrics: Readonly<Record<string, number>>;
  /** What an operator has changed of the job's rules. */
  readonly changes?: Changes | undefined;
  readonly paused?: boolean | undefined;
  /** What it was started with; what is not there was left to its default. */
  readonly options?: StoredOptions | undefined;
}

/** How a run was to be run, besides its job: whoever resumes it without saying otherwise gets the same. */
export interface StoredOptions {
  readonly expectedWorkers?: number | undefined;
  readonly gatherMs?: number | undefined;
  readonly durability?: "process" | "power" | undefined;
  readonly checkpoint?: CheckpointOptions | undefined;
}

const figures = z.record(z.string(), z.number());
const share = z.union([z.strictObject({ fraction: z.number() }), z.strictObject({ count: z.int() })]);
const changesSchema = z.object({
  learningRate: z.number().optional(),
  quorum: share.optional(),
  deadlineMs: z.union([z.number(), z.literal("adaptive"), z.strictObject({ deviations: z.number() })]).optional(),
});
const recordSchema = z.object({
  rounds: z.int(),
  invited: z.int(),
  delivered: z.int(),
  due: z.number(),
  waited: z.int(),
  speed: z.number().optional(),
  loss: z.number().optional(),
});
const optionsSchema = z.object({
  expectedWorkers: z.int().optional(),
  gatherMs: z.number().optional(),
  durability: z.enum(["process", "power"]).optional(),
  checkpoint: z
    .object({ everyRounds: z.number().optional(), everySeconds: z.number().optional(), keep: z.number().optional() })
    .optional(),
});
const metaSchema = z.object({
  name: z.string(),
  createdAt: z.number(),
  status: z.enum(["running", "finished", "stopped", "failed"]),
  detail: z.string(),
  metrics: figures,
  changes: changesSchema.optional(),
  paused: z.boolean().optional(),
  options: optionsSchema.optional(),
});
const progressSchema = z.object({
  epoch: z.int(),
  start: z.int(),
  epochs: z.number(),
  expected: z.int(),
  positions: z.record(z.string(), z.int()),
  changes: changesSchema.optional(),
  best: z.object({ value: z.number(), version: z.int(), since: z.int() }).optional(),
  records: z.record(z.string(), recordSchema).optional(),
  population: z.object({ workers: z.int(), examples: z.int() }).optional(),
});
const roundRow = z.object({
  round: z.int(),
  version: z.int(),
  attempt: z.int(),
  time: z.int(),
  ms: z.number(),
  cohort: z.string(),
  updates: z.int(),
  examples: z.int(),
  bytes_up: z.int(),
  bytes_down: z.int(),
  metrics: z.string(),
  hash: z.string(),
  progress: z.string(),
  traffic: z.string(),
  counted: z.string(),
});
const trafficSchema = z.array(
  z.object({ worker: z.string(), kind: z.string(), codec: z.string(), bytesUp: z.int(), bytesDown: z.int() }),
);
const countedSchema = z.array(z.object({ worker: z.string(), round: z.int(), attempt: z.int() }));
const checkpointRow = z.object({
  version: z.int(),
  version_sha256: z.string(),
  state_sha256: z.string(),
  flushed: z.int(),
});
const workerRow = z.object({ token_hash: z.string(), id: z.string(), slot: z.int(), name: z.string() });

/** From rows of the database; each throws what zod or JSON throws when the row is not what was written. */

export function roundOf(values: unknown): RoundRecord {
  const { bytes_up: bytesUp, bytes_down: bytesDown, ...row } = roundRow.parse(values);
  return {
    ...row,
    bytesUp,
    bytesDown,
    cohort: z.array(z.string()).parse(JSON.parse(row.cohort)),
    metrics: figures.parse(JSON.parse(row.metrics)),
    progress: progressSchema.parse(JSON.parse(row.progress)),
    traffic: trafficSchema.parse(JSON.parse(row.traffic)),
    counted: countedSchema.parse(JSON.parse(row.counted)),
  };
}

/** Values of a round's row, in the order of its columns. */
export function roundValues(record: RoundRecord): (string | number)[] {
  const { round, version, attempt, time, ms, updates, examples, bytesUp, bytesDown, hash } = record;
  const { cohort, metrics, progress, traffic, counted } = record;
  return [
    ...[round, version, attempt, time, ms, JSON.stringify(cohort), updates, examples, bytesUp, bytesDown],
    ...[JSON.stringify(metrics), hash, JSON.stringify(progress), JSON.stringify(traffic), JSON.stringify(counted)],
  ];
}

export function checkpointOf(values: unknown): CheckpointRecord {
  const { version, version_sha256: versionSha256, state_sha256: stateSha256, flushed } = checkpointRow.parse(values);
  return { version, versionSha256, stateSha256, flushed: flushed === 1 };
}

export function workerOf(values: unknown): StoredWorker {
  const { token_hash: tokenHash, ...same } = workerRow.parse(values);
  return { ...same, tokenHash };
}

export function metaOf(values: unknown): RunMeta {
  const { value } = z.object({ value: z.string() }).parse(values);
  return metaSchema.parse(JSON.parse(value));
}

/** What a note beside a version holds. */
export const noteSchema = z.object({
  checkpoint: z.object({ version: z.int(), versionSha256: z.string(), stateSha256: z.string(), flushed: z.boolean() }),
  meta: metaSchema,
  /** The round that made the version; none made version 0. */
  last: z
    .object({
      ...roundRow.omit({ bytes_up: true, bytes_down: true }).shape,
      ...{ bytesUp: z.int(), bytesDown: z.int(), cohort: z.array(z.string()), metrics: figures },
      ...{ progress: progressSchema, traffic: trafficSchema, counted: countedSchema },
    })
    .optional(),
  workers: z.array(z.object({ tokenHash: z.string(), id: z.string(), slot: z.int(), name: z.string() })),
});
