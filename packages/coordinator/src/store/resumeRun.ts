/**
 * Recovery: the newest whole checkpoint, then the log replayed through the server optimiser up to the last committed round.
 * Whatever is damaged is named and gone round: an older checkpoint is taken, or the rounds past the damage are run again.
 */
import { readdirSync } from "node:fs";
import { blockElements, type Manifest } from "@weft/vector";
import { fragmentOf, type JobWeighting } from "@weft/protocol";
import { StoreError } from "../errors.ts";
import type { ServerModel, UpdateSource } from "../model/serverModel.ts";
import { shareOf } from "../model/share.ts";
import { type Checkpoint, readCheckpoint } from "./checkpoint.ts";
import type { StoreSettings } from "./createRun.ts";
import type { RoundRecord, RunDatabase, StoredWorker } from "./database.ts";
import type { Changes } from "../round/state.ts";
import { nodeDisk } from "./nodeDisk.ts";
import { at, baseOfLog, databaseFile, logFile } from "./layout.ts";
import { lockRun } from "./lock.ts";
import { soundDatabase } from "./note.ts";
import type { StoredOptions } from "./records.ts";
import { readLog } from "./roundLog.ts";
import { RunStore } from "./runStore.ts";

export interface ResumeOptions {
  /** Full id. */
  readonly run: string;
  /** The job's. */
  readonly name: string;
  readonly manifest: Manifest;
  readonly model: ServerModel;
  readonly weighting: JobWeighting;
  /** Hash of the model's present version, as `RoundRecord.hash`. */
  readonly hash: () => Promise<string>;
  /** In force from now on. */
  readonly options?: StoredOptions | undefined;
}

export interface ResumedRun {
  readonly store: RunStore;
  readonly version: number;
  /** The checkpoint it was restored from. */
  readonly checkpoint: number;
  /** The last committed round; undefined when none is. */
  readonly last: RoundRecord | undefined;
  readonly workers: readonly StoredWorker[];
  /** What an operator had changed when the run ended. */
  readonly changes: Changes | undefined;
  /** Whether an operator had paused it; said among the warnings as well. */
  readonly paused: boolean;
  /** What was found damaged. */
  readonly warnings: readonly string[];
}

/** @throws {StoreError} when no checkpoint is whole, {@link RunError} while another coordinator uses the run */
export async function resumeRun(settings: StoreSettings, options: ResumeOptions): Promise<ResumedRun> {
  const { disk = nodeDisk, durability = "process", checkpoint = {}, nowMs = () => performance.now() } = settings;
  const { run, name, manifest } = options;
  const directory = at(settings.directory, run);
  const lock = lockRun(directory, run);
  const warnings: string[] = [];
  const database = soundDatabase(directory, durability, warnings);
  try {
    const base = await newestWhole(directory, { database, manifest, warnings });
    const version = await replay(directory, base, { ...options, database, warnings });
    if ((database.lastRound()?.version ?? 0) > version) {
      warnings.push(`rounds after ${version} cannot be restored and are run again`);
    }
    const meta = database.meta();
    const workers = database.workers();
    warnings.push(...database.damage);
    const { paused = false } = meta;
    if (paused) warnings.push("the run was paused when its coordinator ended, and is so still: unpause it to go on");
    disk.transaction(database.sql, () => {
      database.dropDamaged();
      database.dropRoundsAfter(version);
      database.putMeta({ ...meta, name, status: "running", detail: "", options: options.options ?? meta.options });
    });
    const store = new RunStore({ run, directory, manifest, disk, database, lock, durability, checkpoint, nowMs });
    // A fresh start for the log: what an interrupted round left at its end is behind us.
    await store.checkpoint({ version, weights: options.model.weights, state: options.model.state() });
    return {
      store,
      version,
      checkpoint: base.version,
      last: database.lastRound(),
      workers,
      changes: meta.changes,
      paused,
      warnings,
    };
  } catch (error) {
    database.close();
    lock.release();
    throw error;
  }
}

async function newestWhole(
  directory: string,
  { database, manifest, warnings }: { database: RunDatabase; manifest: Manifest; warnings: string[] },
): Promise<Checkpoint> {
  const records = database.checkpoints();
  for (const record of records) {
    const { version } = record;
    if (version > 0 && database.rounds(version - 1, 1)[0]?.version !== version) {
      // The weights alone do not say where in its data the run was.
      warnings.push(`checkpoint ${version} is passed over: ${databaseFile} has no whole record of its round`);
      continue;
    }
    try {
      return await readCheckpoint(directory, record, manifest);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      warnings.push(`checkpoint ${record.version} is damaged and passed over: ${error.message}`);
    }
  }
  throw new StoreError(
    records.length === 0
      ? `${directory}: the run ended before its first version was written; start it anew`
      : `${directory}: none of ${records.length} checkpoints is whole: ${warnings.join("; ")}`,
  );
}

export interface ReplayOptions extends Omit<ResumeOptions, "run" | "name" | "manifest" | "options"> {
  readonly database: RunDatabase;
  readonly warnings: string[];
  /** The version to stop at; default the newest committed. */
  readonly upTo?: number;
}

/** Steps the model from a checkpoint through every committed round that the logs still hold; the version that it reached. */
export async function replay(directory: string, base: Checkpoint, context: ReplayOptions): Promise<number> {
  const { model, database, warnings, hash, weighting, upTo = Infinity } = context;
  await model.restore(base.weights, base.state);
  let { version } = base;
  const committed = new Map(database.rounds(version).map((round) => [round.version, round]));
  const bases = readdirSync(directory)
    .flatMap((file) => baseOfLog(file) ?? [])
    .filter((start) => start >= version)
    .sort((a, b) => a - b);
  const fragment = (reached: number) => fragmentOf(reached, model.ranges.length);
  let log = logFile(version);
  /** Whole in the logs and unknown to the database. */
  let unknown = 0;
  /** Of which the logs say that they were committed. */
  const marked = new Set<number>();
  for (const [index, start] of bases.entries()) {
    if (start !== version) break;
    log = logFile(start);
    const next = bases[index + 1] ?? Infinity;
    const reading = {
      elementsOf: (reached: number) => model.elementsOf(fragment(reached)),
      onCommitted: (reached: number) => marked.add(reached),
    };
    for await (const record of readLog(at(directory, log), reading)) {
      if (record.version !== version + unknown + 1 || record.version > Math.min(next, upTo)) break;
      const round = committed.get(record.version);
      if (round === undefined || unknown > 0) {
        unknown += 1;
        continue;
      }
      // The round at the end of a log may have been cut off before its commit, and then run again in another way.
      if (round.hash !== record.hash) break;
      const { learningRate } = round.progress.changes ?? {};
      if (learningRate !== undefined) await model.setLearningRate(learningRate);
      const logged: UpdateSource = (block, out) => {
        out.set(record.update.subarray(block * blockElements, block * blockElements + out.length));
      };
      await model.step(logged, { share: shareOf(round, weighting), fragment: fragment(record.version) });
      version = record.version;
      if ((await hash()) === record.hash) continue;
      warnings.push(`round ${version}, replayed, differs in its last bits: another backend or machine than before?`);
    }
  }
  if (committed.has(version + 1) && version < upTo) {
    warnings.push(`${log}: damaged, cut off or missing after round ${version}`);
  }
  // One round may be whole in the log and not committed yet when a process is killed; else the database has forgotten.
  if (unknown > 1 || (unknown === 1 && marked.has(version + 1))) {
    const rounds =
      unknown === 1
        ? `round ${version + 1}, which ${log} says was committed`
        : `the ${unknown} rounds after ${version} in ${log}`;
    warnings.push(`${databaseFile}: has no record of ${rounds}; run again from there`);
  }
  return version;
}
