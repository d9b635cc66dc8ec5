/** Stored runs, as those who list, evaluate and export them see them; reading disturbs no run under way. */
import { type Dirent, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { RunError } from "../errors.ts";
import { openDatabase, type RoundRecord, type RunDatabase, type RunStatus } from "./database.ts";
import { at, databaseFile, jobFile } from "./layout.ts";
import { isLocked } from "./lock.ts";

export interface RunSummary {
  readonly run: string;
  readonly directory: string;
  /** The job's name. */
  readonly name: string;
  /** "interrupted": neither ended nor in use by a coordinator; it can be resumed, as can one that was stopped. */
  readonly status: RunStatus | "interrupted";
  readonly detail: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Rounds committed. */
  readonly rounds: number;
  /** Newest version whole on disk; undefined before the first. */
  readonly version: number | undefined;
  /** Received from and sent to workers over all rounds. */
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** Of the last evaluation, or the last round's training means. */
  readonly metrics: Readonly<Record<string, number>>;
}

export interface StoredRun {
  readonly summary: RunSummary;
  readonly directory: string;
  /** The encoded job. */
  readonly job: Uint8Array;
  readonly rounds: readonly RoundRecord[];
}

/** The runs under a directory, newest first. Directories that hold none are passed over. */
export function listRuns(directory: string): RunSummary[] {
  return runIds(directory)
    .flatMap((run) => {
      try {
        return withRun(directory, run, (database, path) => summarize(database, run, path));
      } catch {
        // A run killed before its first record has nothing to show.
        return [];
      }
    })
    .sort((a, b) => b.createdAt - a.createdAt);
}

/**
 * @param run id, or the beginning of one
 * @throws {RunError} when no run or several begin like this
 */
export function openRun(directory: string, run: string): StoredRun {
  const id = findRun(directory, run);
  return withRun(directory, id, (database, path) => ({
    summary: summarize(database, id, path),
    directory: path,
    job: new Uint8Array(readFileSync(at(path, jobFile))),
    rounds: database.rounds(),
  }));
}

/** Rounds of the run in a directory, in order: those after round `after`, at most `limit`. */
export function storedRounds(directory: string, { after, limit }: { after: number; limit: number }): RoundRecord[] {
  const database = openDatabase(directory, "read");
  try {
    return database.rounds(after, limit);
  } finally {
    database.close();
  }
}

const shownIds = 5;

/** The full id of the one run that begins with `prefix`. */
export function findRun(directory: string, prefix: string): string {
  const matches = runIds(directory).filter((run) => run.startsWith(prefix));
  const exact = matches.find((run) => run === prefix);
  const [only, another] = matches;
  if (exact !== undefined) return exact;
  if (only !== undefined && another === undefined) return only;
  if (only === undefined) {
    const others = listRuns(directory).map(({ run }) => run);
    const newest = others.slice(0, shownIds).join(", ");
    const there = others.length > shownIds ? `the newest are ${newest}` : `there are ${newest}`;
    throw new RunError(`no run ${prefix} under ${directory}; ${others.length === 0 ? "there is none" : there}`);
  }
  throw new RunError(`${prefix} may be any of runs ${matches.join(", ")}; give more digits`);
}

function runIds(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return entriesOf(directory)
    .filter((entry) => entry.isDirectory() && existsSync(at(at(directory, entry.name), databaseFile)))
    .map((entry) => entry.name);
}

function entriesOf(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (cause) {
    throw new RunError(`${directory} is not a directory that may be read; give the one where runs are kept`, { cause });
  }
}

function withRun<T>(directory: string, run: string, read: (database: RunDatabase, path: string) => T): T {
  const path = at(directory, run);
  const database = openDatabase(path, "read");
  try {
    return read(database, path);
  } finally {
    database.close();
  }
}

function summarize(database: RunDatabase, run: string, directory: string): RunSummary {
  const { name, status, detail, createdAt, metrics } = database.meta();
  const last = database.lastRound();
  const wal = `${at(directory, databaseFile)}-wal`;
  const changed = [at(directory, databaseFile), wal].filter(existsSync).map((file) => statSync(file).mtimeMs);
  return {
    run,
    directory,
    name,
    status: status === "running" && !isLocked(directory) ? "interrupted" : status,
    detail,
    createdAt,
    updatedAt: last?.time ?? Math.max(...changed),
    rounds: last?.round ?? 0,
    version: database.checkpoints()[0]?.version,
    metrics: Object.keys(metrics).length > 0 ? metrics : (last?.metrics ?? {}),
    ...database.bytes(),
  };
}
