/**
 * A run on disk. A round is committed in two steps: its combined update is appended to the log while the model steps, then
 * its record goes into the database; that insert is the commit. Every so often the version and the optimiser state are
 * written whole, and a new log begins. See README.md for why this survives a kill at any instant.
 */
import { readdir } from "node:fs/promises";
import { blockCount, blockElements, blockRange, type Manifest } from "@weft/vector";
import type { Disk, LogFile } from "../disk.ts";
import type { UpdateSource } from "../model/serverModel.ts";
import type { CheckpointOptions } from "../options.ts";
import { type Checkpoint, writeCheckpoint } from "./checkpoint.ts";
import type { RoundRecord, RunDatabase, RunMeta, StoredWorker } from "./database.ts";
import { explained } from "./nodeDisk.ts";
import { at, baseOfLog, logFile, noteFile, stateFile, versionFile } from "./layout.ts";
import type { RunLock } from "./lock.ts";
import { writeNote } from "./note.ts";
import { isPassing } from "./patience.ts";
import { LogWriter, type Retry } from "./roundLog.ts";

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
/** Pause before a checkpoint that failed is tried again. */
const retryCheckpointMs = 10_000;

export class RunStore {
  readonly run: string;
  readonly directory: string;
  readonly #parts: StoreParts;
  #log: LogWriter | undefined;
  #logRounds = 0;
  /** Of the update of the round that was begun last. */
  #elements = 0;
  /** Whether the log holds the round that was begun last: not to its end yet, not for sure, or to the last byte. */
  #record: "open" | "torn" | "whole" = "open";
  /** A checkpoint was begun and has not been recorded. */
  #checkpointOwed = false;
  /** Writes to the database for which there was no room. */
  #owed: ((database: RunDatabase) => void)[] = [];
  readonly #owedWorkers = new Map<string, StoredWorker>();
  #meta: RunMeta | undefined;
  #lastCheckpointMs: number;
  #lastFlushMs = -Infinity;

  constructor(parts: StoreParts) {
    this.run = parts.run;
    this.directory = parts.directory;
    this.#parts = parts;
    this.#lastCheckpointMs = parts.nowMs();
  }

  /**
   * Opens the record of the next round; the parts of its update follow through `logUpdate`.
   *
   * @param elements of the update; default those of the whole vector
   * @param retry for an update that cannot be had a second time: how each write is tried until it succeeds
   */
  beginRound(
    version: number,
    { elements, retry }: { readonly elements?: number; readonly retry?: Retry | undefined } = {},
  ): void {
    this.#record = "open";
    this.#elements = elements ?? this.#parts.manifest.size;
    this.#log?.begin(version, this.#elements, retry);
  }

  /** Resolves when the part may change again; whether it was written shows when the round is committed. */
  logUpdate(update: Float32Array): Promise<void> | undefined {
    return this.#log?.part(update).catch(() => undefined);
  }

  /**
   * Commits the round whose update was logged. Once this resolves, no crash undoes it. After an error it may be called
   * again: what is not whole in the log is then written anew from `update`.
   */
  async commitRound(record: RoundRecord, update: UpdateSource): Promise<void> {
    const { database } = this.#parts;
    if (this.#log !== undefined) await this.#completeRecord(this.#log, record, update);
    this.#transact(() => {
      database.putRound(record);
    });
    this.#logRounds += 1;
    // Nothing depends on it but a warning.
    await this.#log?.mark(record.version).catch(() => undefined);
  }

  async #completeRecord(log: LogWriter, { version, hash }: RoundRecord, update: UpdateSource): Promise<void> {
    const { durability } = this.#parts;
    const elements = this.#elements;
    if (this.#record === "whole") return;
    if (this.#record === "torn") {
      await log.rewind();
      log.begin(version, elements);
      const part = new Float32Array(Math.min(blockElements, elements));
      for (let block = 0; block < blockCount(elements); block++) {
        const { start, end } = blockRange(elements, block);
        await update(block, part.subarray(0, end - start));
        await log.part(part.subarray(0, end - start));
      }
    }
    this.#record = "torn";
    await log.end(hash);
    if (durability === "power") await log.flush();
    this.#record = "whole";
  }

  /** Whether the log has grown enough to be closed by a checkpoint. */
  get wantsCheckpoint(): boolean {
    const { everyRounds = 20, everySeconds = 60 } = this.#parts.checkpoint;
    if (this.#checkpointOwed) return this.#parts.nowMs() - this.#lastCheckpointMs >= retryCheckpointMs;
    if (this.#logRounds === 0) return false;
    return (
      this.#logRounds >= everyRounds ||
      (this.#log?.bytes ?? 0) >= maxLogBytes ||
      this.#parts.nowMs() - this.#lastCheckpointMs >= 1000 * everySeconds
    );
  }

  /** Writes a version whole, starts a new log, lets go of old ones. Returns the path of the version's file. */
  async checkpoint(checkpoint: Checkpoint, options: { readonly flush?: boolean } = {}): Promise<string> {
    const { database, durability, nowMs } = this.#parts;
    const due = nowMs() - this.#lastFlushMs >= flushEveryMs;
    const flush = durability === "power" || due || options.flush === true;
    // Until it is recorded; the pause before the next try counts from here.
    this.#checkpointOwed = true;
    this.#lastCheckpointMs = nowMs();
    const record = await writeCheckpoint(this.directory, checkpoint, { ...this.#parts, flush });
    // Before the record: logs lead on from one another, whether or not a checkpoint lies between them.
    await this.#startLog(checkpoint.version);
    await writeNote(this.directory, record, { disk: this.#parts.disk, database, flush });
    this.#transact(() => {
      database.putCheckpoint(record);
    });
    this.#checkpointOwed = false;
    if (flush) this.#lastFlushMs = nowMs();
    await this.#prune().catch((error: unknown) => {
      // What may go has time until the next checkpoint.
      if (!isPassing(error)) throw error;
    });
    return at(this.directory, versionFile(checkpoint.version));
  }

  async #startLog(base: number): Promise<void> {
    const file: LogFile = await this.#parts.disk.createLog(at(this.directory, logFile(base)));
    const before = this.#log;
    this.#log = new LogWriter(file);
    this.#logRounds = 0;
    await before?.close();
  }

  /** Keeps the newest checkpoints, the newest that was flushed, and the logs that lead on from the newest two. */
  async #prune(): Promise<void> {
    const { disk, database, checkpoint } = this.#parts;
    const known = database.checkpoints();
    const flushed = known.find((candidate) => candidate.flushed)?.version;
    const kept = Math.max(1, checkpoint.keep ?? 3);
    const oldest = known[1]?.version ?? 0;
    for (const file of await explained(this.directory, () => readdir(this.directory))) {
      if ((baseOfLog(file) ?? oldest) < oldest) await disk.remove(at(this.directory, file));
    }
    for (const [index, { version }] of known.entries()) {
      if (index < kept || version === flushed) continue;
      disk.transaction(database.sql, () => {
        database.dropCheckpoint(version);
      });
      await disk.remove(at(this.directory, versionFile(version)));
      await disk.remove(at(this.directory, stateFile(version)));
      await disk.remove(at(this.directory, noteFile(version)));
    }
  }

  /** The committed rounds. */
  rounds(): RoundRecord[] {
    return this.#parts.database.rounds();
  }

  /** This and what follows, but for `recordMeta`, is written at once, or, if the disk has no room, with the next write that succeeds. */
  saveWorker(worker: StoredWorker): void {
    this.#owedWorkers.set(worker.tokenHash, worker);
    this.#note((database) => {
      database.putWorker(worker);
    });
  }

  forgetWorkers(ids: readonly string[]): void {
    for (const [tokenHash, { id }] of this.#owedWorkers) if (ids.includes(id)) this.#owedWorkers.delete(tokenHash);
    this.#note((database) => {
      for (const id of ids) database.dropWorker(id);
    });
  }

  findWorker(tokenHash: string): StoredWorker | undefined {
    return this.#owedWorkers.get(tokenHash) ?? this.#parts.database.worker(tokenHash);
  }

  saveMeta(meta: RunMeta): void {
    this.#meta = meta;
    this.#note((database) => {
      database.putMeta(meta);
    });
  }

  /**
   * Written when this returns: for what somebody was told holds over a kill.
   *
   * @throws {StoreError} while it cannot be written; then all is as it was
   */
  recordMeta(meta: RunMeta): void {
    this.#transact(() => {
      this.#parts.database.putMeta(meta);
    });
    this.#meta = meta;
  }

  meta(): RunMeta {
    return this.#meta ?? this.#parts.database.meta();
  }

  /** @throws {StoreError} while there is no room for what is owed */
  writeOwed(): void {
    if (this.#owed.length > 0) this.#transact(() => undefined);
  }

  #note(write: (database: RunDatabase) => void): void {
    this.#owed.push(write);
    try {
      this.writeOwed();
    } catch (error) {
      if (!isPassing(error)) throw error;
    }
  }

  /** Together with everything owed, in one transaction. */
  #transact(work: () => void): void {
    const { disk, database } = this.#parts;
    disk.transaction(database.sql, () => {
      for (const write of this.#owed) write(database);
      work();
    });
    this.#owed = [];
    this.#owedWorkers.clear();
  }

  async close(): Promise<void> {
    await this.#log?.close();
    this.#log = undefined;
    this.#parts.database.close();
    this.#parts.lock.release();
  }
}
