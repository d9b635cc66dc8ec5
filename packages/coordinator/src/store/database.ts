/** The run's record in SQLite: what was committed, which checkpoints are whole, who took part. */
import { DatabaseSync } from "node:sqlite";
import * as z from "zod";
import { StoreError } from "../errors.ts";
import type { DurableProgress } from "../round/durable.ts";
import type { Changes } from "../round/state.ts";
import type { CountedUpdate } from "../run/countedUpdates.ts";
import type { TrafficEntry } from "../run/traffic.ts";
import { at, databaseFile } from "./layout.ts";

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
}

const schema = `
  CREATE TABLE IF NOT EXISTS meta (id INTEGER PRIMARY KEY CHECK (id = 1), value TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS rounds (
    round INTEGER PRIMARY KEY, version INTEGER NOT NULL, attempt INTEGER NOT NULL, time INTEGER NOT NULL, ms REAL NOT NULL,
    cohort TEXT NOT NULL, updates INTEGER NOT NULL, examples INTEGER NOT NULL, bytes_up INTEGER NOT NULL,
    bytes_down INTEGER NOT NULL, metrics TEXT NOT NULL, hash TEXT NOT NULL, progress TEXT NOT NULL,
    traffic TEXT NOT NULL, counted TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS checkpoints (
    version INTEGER PRIMARY KEY, version_sha256 TEXT NOT NULL, state_sha256 TEXT NOT NULL, flushed INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS workers (
    token_hash TEXT PRIMARY KEY, id TEXT NOT NULL, slot INTEGER NOT NULL, name TEXT NOT NULL) STRICT;
`;

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
const metaSchema = z.object({
  name: z.string(),
  createdAt: z.number(),
  status: z.enum(["running", "finished", "stopped", "failed"]),
  detail: z.string(),
  metrics: figures,
  changes: changesSchema.optional(),
  paused: z.boolean().optional(),
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

export type DatabaseMode = "read" | "process" | "power";

/** Opens (but for "read", makes) the database of a run; "power" flushes every transaction to the device. */
export function openDatabase(directory: string, mode: DatabaseMode): RunDatabase {
  const path = at(directory, databaseFile);
  try {
    const sql = new DatabaseSync(path, { readOnly: mode === "read", timeout: 2000 });
    if (mode !== "read") {
      sql.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${mode === "power" ? "FULL" : "NORMAL"}; ${schema}`);
    }
    return new RunDatabase(sql, path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StoreError(`${path}: not readable as the record of a run (${reason})`, { cause });
  }
}

/** Writes are to be made inside a transaction of `sql`. */
export class RunDatabase {
  readonly sql: DatabaseSync;
  readonly #path: string;

  constructor(sql: DatabaseSync, path: string) {
    this.sql = sql;
    this.#path = path;
  }

  putMeta(meta: RunMeta): void {
    this.sql.prepare("INSERT OR REPLACE INTO meta VALUES (1, ?)").run(JSON.stringify(meta));
  }

  meta(): RunMeta {
    const [row] = this.#rows("SELECT value FROM meta", z.object({ value: z.string() }));
    if (row === undefined) throw new StoreError(`${this.#path}: the run was never begun; remove its directory`);
    return this.#parse(metaSchema, row.value);
  }

  putRound(record: RoundRecord): void {
    const { round, version, attempt, time, ms, cohort, updates, examples, bytesUp, bytesDown } = record;
    const json = [
      JSON.stringify(record.metrics),
      record.hash,
      ...[record.progress, record.traffic, record.counted].map((value) => JSON.stringify(value)),
    ];
    this.sql
      .prepare("INSERT INTO rounds VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .run(round, version, attempt, time, ms, JSON.stringify(cohort), updates, examples, bytesUp, bytesDown, ...json);
  }

  /** In order; only those after version `after`, at most `limit` (-1 for all). */
  rounds(after = 0, limit = -1): RoundRecord[] {
    const query = "SELECT * FROM rounds WHERE version > ? ORDER BY round LIMIT ?";
    return this.#rows(query, roundRow, after, limit).map((row) => this.#round(row));
  }

  lastRound(): RoundRecord | undefined {
    return this.#rows("SELECT * FROM rounds ORDER BY round DESC LIMIT 1", roundRow).map((row) => this.#round(row))[0];
  }

  #round(row: z.infer<typeof roundRow>): RoundRecord {
    const { bytes_up: bytesUp, bytes_down: bytesDown, ...same } = row;
    return {
      ...same,
      bytesUp,
      bytesDown,
      cohort: this.#parse(z.array(z.string()), row.cohort),
      metrics: this.#parse(figures, row.metrics),
      progress: this.#parse(progressSchema, row.progress),
      traffic: this.#parse(trafficSchema, row.traffic),
      counted: this.#parse(countedSchema, row.counted),
    };
  }

  /** Of all rounds. */
  bytes(): { readonly bytesUp: number; readonly bytesDown: number } {
    const query = "SELECT TOTAL(bytes_up) AS bytesUp, TOTAL(bytes_down) AS bytesDown FROM rounds";
    const [sums] = this.#rows(query, z.object({ bytesUp: z.number(), bytesDown: z.number() }));
    return sums ?? { bytesUp: 0, bytesDown: 0 };
  }

  dropRoundsAfter(version: number): void {
    this.sql.prepare("DELETE FROM rounds WHERE version > ?").run(version);
    this.sql.prepare("DELETE FROM checkpoints WHERE version > ?").run(version);
  }

  putCheckpoint({ version, versionSha256, stateSha256, flushed }: CheckpointRecord): void {
    this.sql
      .prepare("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?)")
      .run(version, versionSha256, stateSha256, Number(flushed));
  }

  dropCheckpoint(version: number): void {
    this.sql.prepare("DELETE FROM checkpoints WHERE version = ?").run(version);
  }

  /** Newest first. */
  checkpoints(): CheckpointRecord[] {
    return this.#rows("SELECT * FROM checkpoints ORDER BY version DESC", checkpointRow).map((row) => ({
      version: row.version,
      versionSha256: row.version_sha256,
      stateSha256: row.state_sha256,
      flushed: row.flushed === 1,
    }));
  }

  putWorker({ tokenHash, id, slot, name }: StoredWorker): void {
    this.sql.prepare("INSERT OR REPLACE INTO workers VALUES (?, ?, ?, ?)").run(tokenHash, id, slot, name);
  }

  dropWorker(id: string): void {
    this.sql.prepare("DELETE FROM workers WHERE id = ?").run(id);
  }

  worker(tokenHash: string): StoredWorker | undefined {
    return this.#workers("SELECT * FROM workers WHERE token_hash = ?", tokenHash)[0];
  }

  /** By slot; of those that have had the same one, the last holder last. */
  workers(): StoredWorker[] {
    return this.#workers("SELECT * FROM workers ORDER BY slot, rowid");
  }

  #workers(query: string, ...values: string[]): StoredWorker[] {
    return this.#rows(query, workerRow, ...values).map(({ token_hash: tokenHash, ...same }) => ({
      ...same,
      tokenHash,
    }));
  }

  close(): void {
    this.sql.close();
  }

  #rows<T>(query: string, row: z.ZodType<T>, ...values: (string | number)[]): T[] {
    return this.sql
      .prepare(query)
      .all(...values)
      .map((value) => this.#check(row, value));
  }

  #parse<T>(type: z.ZodType<T>, json: string): T {
    try {
      return this.#check(type, JSON.parse(json));
    } catch (cause) {
      throw new StoreError(`${this.#path}: a record is damaged`, { cause });
    }
  }

  #check<T>(type: z.ZodType<T>, value: unknown): T {
    const result = type.safeParse(value);
    if (!result.success) throw new StoreError(`${this.#path}: a record is damaged`, { cause: result.error });
    return result.data;
  }
}
