/** One coordinator per run: a lock that the operating system lets go of with the process, however it dies. */
import { DatabaseSync } from "node:sqlite";
import { RunError } from "../errors.ts";
import { at, lockFile } from "./layout.ts";

export interface RunLock {
  release(): void;
}

/** @throws {RunError} while another coordinator holds it */
export function lockRun(directory: string, run: string): RunLock {
  const lock = tryLock(directory);
  if (lock === undefined) {
    throw new RunError(`run ${run} is in use by another coordinator; wait for it to end, or stop it first`);
  }
  return lock;
}

export function isLocked(directory: string): boolean {
  const lock = tryLock(directory);
  lock?.release();
  return lock === undefined;
}

/** SQLite's own file locks do what is wanted; the file stays empty. */
function tryLock(directory: string): RunLock | undefined {
  const database = new DatabaseSync(at(directory, lockFile));
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch {
    database.close();
    return undefined;
  }
  return { release: () => database.close() };
}
