/** Where the files of a stored run lie. */
import { join } from "node:path";

export const jobFile = "job.weft";
export const databaseFile = "run.sqlite";
export const lockFile = "lock.sqlite";

const padded = (version: number) => String(version).padStart(6, "0");

export const versionFile = (version: number) => `version-${padded(version)}.safetensors`;
export const stateFile = (version: number) => `state-${padded(version)}.safetensors`;
/** What the database said of the run when that version was written. */
export const noteFile = (version: number) => `note-${padded(version)}.json`;
/** Records of the rounds that follow checkpoint `base`. */
export const logFile = (base: number) => `rounds-${padded(base)}.log`;

export const at = (directory: string, file: string) => join(directory, file);

/** The base of a log by its file name; undefined for any other file. */
export function baseOfLog(file: string): number | undefined {
  const digits = /^rounds-(\d+)\.log$/.exec(file)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** The version of a note by its file name; undefined for any other file. */
export function versionOfNote(file: string): number | undefined {
  const digits = /^note-(\d+)\.json$/.exec(file)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
