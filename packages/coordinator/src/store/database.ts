/**
 * The run's record in SQLite: what was committed, which checkpoints are whole, who took part. Each row carries a checksum, for
 * SQLite would hand over flipped bytes as they are; a damaged row is passed over and named, never believed.
 */
import { basename } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { StoreError } from "../errors.ts";
import { sqliteCode } from "./nodeDisk.ts";
import { at, databaseFile } from "./layout.ts";
import {
  checkpointOf,
  type CheckpointRecord,
  metaOf,
  roundOf,
  type RoundRecord,
  roundValues,
  type RunMeta,
  type StoredWorker,
  workerOf,
} from "./records.ts";

export type { CheckpointRecord, RoundRecord, RunMeta, RunStatus, StoredWorker } from "./records.ts";

const schema = `
  CREATE TABLE IF NOT EXISTS meta (
    id INTEGER PRIMARY KEY CHECK (id = 1), value TEXT NOT NULL, crc INTEGER) STRICT;
  CREATE TABLE IF NOT EXISTS rounds (
    round INTEGER PRIMARY KEY, version INTEGER NOT NULL, attempt INTEGER NOT NULL, time INTEGER NOT NULL, ms REAL NOT NULL,
    cohort TEXT NOT NULL, updates INTEGER NOT NULL, examples INTEGER NOT NULL, bytes_up INTEGER NOT NULL,
    bytes_down INTEGER NOT NULL, metrics TEXT NOT NULL, hash TEXT NOT NULL, progress TEXT NOT NULL,
    traffic TEXT NOT NULL, counted TEXT NOT NULL, crc INTEGER) STRICT;
  CREATE TABLE IF NOT EXISTS checkpoints (
    version INTEGER PRIMARY KEY, version_sha256 TEXT NOT NULL, state_sha256 TEXT NOT NULL, flushed INTEGER NOT NULL,
    crc INTEGER) STRICT;
  CREATE TABLE IF NOT EXISTS workers (
    token_hash TEXT PRIMARY KEY, id TEXT NOT NULL, slot INTEGER NOT NULL, name TEXT NOT NULL, crc INTEGER) STRICT;
`;

type Table = "meta" | "rounds" | "checkpoints" | "workers";

/** What a damaged row was, as far as its place tells. */
const nameOf: { readonly [T in Table]: (place: number) => string } = {
  meta: () => "the record of the run itself",
  rounds: (place) => `the record of round ${place}`,
  checkpoints: (place) => `the record of checkpoint ${place}`,
  workers: () => "the record of a worker, who will be taken for a new one,",
};

export type DatabaseMode = "read" | "process" | "power";

/** Opens (but for "read", makes) the database of a run; "power" flushes every transaction to the device. */
export function openDatabase(directory: string, mode: DatabaseMode): RunDatabase {
  const path = at(directory, databaseFile);
  try {
    const sql = new DatabaseSync(path, { readOnly: mode === "read", timeout: 2000 });
    if (mode !== "read") {
      sql.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${mode === "power" ? "FULL" : "NORMAL"}; ${schema}`);
      addChecksums(sql);
    }
    return new RunDatabase(sql, path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/** To a run that was made before rows had them; those rows stay without. */
function addChecksums(sql: DatabaseSync): void {
  for (const table of Object.keys(nameOf)) {
    const columns = sql.prepare(`SELECT name FROM pragma_table_info('${table}')`).all();
    if (!columns.some(({ name }) => name === "crc")) sql.exec(`ALTER TABLE ${table} ADD COLUMN crc INTEGER`);
  }
}

function unreadable(path: string, cause: unknown): StoreError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const isClosed = sqliteCode(cause) === cannotOpen;
  const remedy = isClosed ? "; even to be read its directory must be writable and its files readable" : "";
  return new StoreError(`${path}: not readable as the record of a run (${reason})${remedy}`, { cause });
}

/** SQLite's codes for an error of its grammar, a damaged database, a file that cannot be opened, and one that is no database. */
const [wrong, corrupt, cannotOpen, notADatabase] = [1, 11, 14, 26];

/** Whether the database itself is at fault, not what surrounds it: a lock, the disk, missing leave. */
export function isDamage({ cause }: StoreError): boolean {
  const code = sqliteCode(cause);
  return code === 0 || code === wrong || code === corrupt || code === notADatabase;
}

/** Writes are to be made inside a transaction of `sql`. */
export class RunDatabase {
  readonly sql: DatabaseSync;
  readonly #path: string;
  /** Rows that were read and are not what was written, by table and place. */
  readonly #damaged = new Map<string, { readonly table: Table; readonly place: number }>();

  constructor(sql: DatabaseSync, path: string) {
    this.sql = sql;
    this.#path = path;
  }

  /** What was found damaged so far, in words. */
  get damage(): string[] {
    const file = basename(this.#path);
    return [...this.#damaged.values()].map(
      ({ table, place }) => `${file}: ${nameOf[table](place)} is damaged and passed over`,
    );
  }

  /** Lets go of the rows found damaged. */
  dropDamaged(): void {
    for (const { table, place } of this.#damaged.values()) {
      this.sql.prepare(`DELETE FROM ${table} WHERE rowid = ?`).run(place);
    }
  }

  /** @throws {StoreError} when the file is not a database any more */
  checkStructure(): void {
    const found = this.#ask("PRAGMA quick_check(1)").map((row) => Object.values(row)[0]);
    if (found.join() !== "ok") throw unreadable(this.#path, new Error(found.join("; ")));
  }

  putMeta(meta: RunMeta): void {
    this.#put("meta", [1, JSON.stringify(meta)]);
  }

  /** Of a damaged record, what the last round knows of it. */
  meta(): RunMeta {
    const [meta] = this.#rows("meta", metaOf, "");
    if (meta !== undefined) return meta;
    if (this.#damaged.size === 0) throw new StoreError(`${this.#path}: the run was never begun; remove its directory`);
    const { progress, metrics = {}, time = 0 } = this.lastRound() ?? {};
    return { name: "", createdAt: time, status: "running", detail: "", metrics, changes: progress?.changes };
  }

  putRound(record: RoundRecord): void {
    this.#put("rounds", roundValues(record));
  }

  /** In order; only those after version `after`, at most `limit` (-1 for all). */
  rounds(after = 0, limit = -1): RoundRecord[] {
    return this.#rows("rounds", roundOf, "WHERE version > ? ORDER BY round LIMIT ?", after, limit);
  }

  lastRound(): RoundRecord | undefined {
    const [last] = this.#rows("rounds", roundOf, "ORDER BY round DESC LIMIT 1");
    return last ?? this.rounds().at(-1);
  }

  /** Of all rounds. */
  bytes(): { readonly bytesUp: number; readonly bytesDown: number } {
    const [sums = {}] = this.#ask("SELECT TOTAL(bytes_up) AS up, TOTAL(bytes_down) AS down FROM rounds");
    return { bytesUp: Number(sums["up"]), bytesDown: Number(sums["down"]) };
  }

  dropRoundsAfter(version: number): void {
    this.sql.prepare("DELETE FROM rounds WHERE version > ?").run(version);
    this.sql.prepare("DELETE FROM checkpoints WHERE version > ?").run(version);
  }

  putCheckpoint({ version, versionSha256, stateSha256, flushed }: CheckpointRecord): void {
    this.#put("checkpoints", [version, versionSha256, stateSha256, Number(flushed)]);
  }

  dropCheckpoint(version: number): void {
    this.sql.prepare("DELETE FROM checkpoints WHERE version = ?").run(version);
  }

  /** Newest first. */
  checkpoints(): CheckpointRecord[] {
    return this.#rows("checkpoints", checkpointOf, "ORDER BY version DESC");
  }

  putWorker({ tokenHash, id, slot, name }: StoredWorker): void {
    this.#put("workers", [tokenHash, id, slot, name]);
  }

  dropWorker(id: string): void {
    this.sql.prepare("DELETE FROM workers WHERE id = ?").run(id);
  }

  worker(tokenHash: string): StoredWorker | undefined {
    return this.#rows("workers", workerOf, "WHERE token_hash = ?", tokenHash)[0];
  }

  /** By slot; of those that have had the same one, the last holder last. */
  workers(): StoredWorker[] {
    return this.#rows("workers", workerOf, "ORDER BY slot, rowid");
  }

  close(): void {
    this.sql.close();
  }

  #put(table: Table, values: readonly (string | number)[]): void {
    const places = [...values, "crc"].map(() => "?").join(", ");
    const verb = table === "rounds" ? "INSERT" : "INSERT OR REPLACE";
    this.sql.prepare(`${verb} INTO ${table} VALUES (${places})`).run(...values, checksum(values));
  }

  /** The whole rows. */
  #rows<T>(table: Table, make: (values: unknown) => T, which: string, ...values: (string | number)[]): T[] {
    const found = this.#ask(`SELECT rowid AS place, * FROM ${table} ${which}`, ...values);
    return found.flatMap(({ place, crc, ...row }) => {
      try {
        const isWhole = crc === null || crc === undefined || crc === checksum(Object.values(row));
        if (isWhole) return [make(row)];
      } catch {
        // Not what such a row consists of: no better than a wrong checksum.
      }
      this.#damaged.set(`${table} ${String(place)}`, { table, place: Number(place) });
      return [];
    });
  }

  #ask(query: string, ...values: (string | number)[]): Record<string, unknown>[] {
    try {
      return this.sql.prepare(query).all(...values);
    } catch (cause) {
      throw unreadable(this.#path, cause);
    }
  }
}

const checksum = (values: readonly unknown[]): number => crc32(JSON.stringify(values));
