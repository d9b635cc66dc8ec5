/**
 * A run on disk. A round is committed in two steps: its combined update is appended to the log while the model steps, then
 * its record goes into the database; that insert is the commit. Every so often the version and the optimiser state are
 * written whole, and a new log begins. See README.md for why this survives a kill at any instant.
 */
import type { Manifest } from "@weft/vector";
import type { CheckpointOptions } from "../options.ts";
import { type Checkpoint, writeCheckpoint } from "./checkpoint.ts";
import type { RoundRecord, RunDatabase, RunMeta, StoredWorker } from "./database.ts";
import type { Disk, LogFile } from "./disk.ts";
import { at, logFile, stateFile, versionFile } from "./layout.ts";
import type { RunLock } from "./lock.ts";
import { LogWriter, recordBytes } from "./roundLog.ts";

export interface StoreParts {
  readonly run: string;
  readonly directory: string;
  readonly manifest: Manifest;
  readonly disk: Disk;
  readonly database: RunDatabase;
  readonly lock: RunLock;
  readonly durability: "process" | "power";
  readonly checkpoint: CheckpointOptions;
  readonly nowMs: () => number;
}

/** A log is closed by a checkpoint when it has grown to this size, however few rounds it holds. */
const maxLogBytes = 256 * 1024 * 1024;
/** Under "process" durability a checkpoint is still flushed to the device if the last one was this long ago. */
const flushEveryMs = 10_000;

export class RunStore {
  readonly run: string;
  readonly directory: string;
  readonly #parts: StoreParts;
  #log: LogWriter | undefined;
  #logRounds = 0;
  #lastCheckpointMs: number;
  #lastFlushMs = -Infinity;

  constructor(parts: StoreParts) {
    this.run = parts.run;
    this.directory = parts.directory;
    this.#parts = parts;
    this.#lastCheckpointMs = parts.nowMs();
  }

  /** Opens the record of the next round; the parts of its update follow through `logUpdate`. */
  beginRound(version: number): void {
    this.#log?.begin(version, this.#parts.manifest.size);
  }

  logUpdate(update: Float32Array): Promise<void> | undefined {
    return this.#log?.part(update);
  }

  /** Commits the round whose update was logged. Once this resolves, no crash undoes it. */
  async commitRound(record: RoundRecord): Promise<void> {
    const { disk, database, durability } = this.#parts;
    await this.#log?.end(record.hash);
    if (durability === "power") await this.#log?.flush();
    disk.transaction(database.sql, () => {
      database.putRound(record);
    });
    this.#logRounds += 1;
  }

  /** Whether the log has grown enough to be closed by a checkpoint. */
  get wantsCheckpoint(): boolean {
    const { everyRounds = 20, everySeconds = 60 } = this.#parts.checkpoint;
    if (this.#logRounds === 0) return false;
    return (
      this.#logRounds >= everyRounds ||
      this.#logRounds * recordBytes(this.#parts.manifest.size) >= maxLogBytes ||
      this.#parts.nowMs() - this.#lastCheckpointMs >= 1000 * everySeconds
    );
  }

  /** Writes a version whole, starts a new log, lets go of old ones. Returns the path of the version's file. */
  async checkpoint(checkpoint: Checkpoint, options: { readonly flush?: boolean } = {}): Promise<string> {
    const { disk, database, durability, nowMs } = this.#parts;
    const due = nowMs() - this.#lastFlushMs >= flushEveryMs;
    const flush = durability === "power" || due || options.flush === true;
    const record = await writeCheckpoint(this.directory, checkpoint, { ...this.#parts, flush });
    disk.transaction(database.sql, () => {
      database.putCheckpoint(record);
    });
    if (flush) this.#lastFlushMs = nowMs();
    this.#lastCheckpointMs = nowMs();
    await this.#startLog(checkpoint.version);
    await this.#prune();
    return at(this.directory, versionFile(checkpoint.version));
  }

  async #startLog(base: number): Promise<void> {
    await this.#log?.close();
    this.#log = undefined;
    const file: LogFile = await this.#parts.disk.createLog(at(this.directory, logFile(base)));
    this.#log = new LogWriter(file);
    this.#logRounds = 0;
  }

  /** Keeps the newest checkpoints, the newest that was flushed, and the logs that lead on from the newest two. */
  async #prune(): Promise<void> {
    const { disk, database, checkpoint } = this.#parts;
    const known = database.checkpoints();
    const flushed = known.find((candidate) => candidate.flushed)?.version;
    const kept = Math.max(1, checkpoint.keep ?? 3);
    for (const [index, { version }] of known.entries()) {
      const keep = index < kept || version === flushed;
      if (!keep || index >= 2) await disk.remove(at(this.directory, logFile(version)));
      if (keep) continue;
      disk.transaction(database.sql, () => {
        database.dropCheckpoint(version);
      });
      await disk.remove(at(this.directory, versionFile(version)));
      await disk.remove(at(this.directory, stateFile(version)));
    }
  }

  saveWorker(worker: StoredWorker): void {
    const { disk, database } = this.#parts;
    disk.transaction(database.sql, () => {
      database.putWorker(worker);
    });
  }

  forgetWorkers(ids: readonly string[]): void {
    const { disk, database } = this.#parts;
    disk.transaction(database.sql, () => {
      for (const id of ids) database.dropWorker(id);
    });
  }

  findWorker(tokenHash: string): StoredWorker | undefined {
    return this.#parts.database.worker(tokenHash);
  }

  saveMeta(meta: RunMeta): void {
    const { disk, database } = this.#parts;
    disk.transaction(database.sql, () => {
      database.putMeta(meta);
    });
  }

  meta(): RunMeta {
    return this.#parts.database.meta();
  }

  async close(): Promise<void> {
    await this.#log?.close();
    this.#log = undefined;
    this.#parts.database.close();
    this.#parts.lock.release();
  }
}
