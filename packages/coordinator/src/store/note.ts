/**
 * Beside every version that is whole on disk lies a note of what the database said of the run then: should the database itself
 * be damaged beyond reading, it is made anew from the notes, and the run goes on from their newest version.
 */
import { existsSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { crc32 } from "node:zlib";
import type { Disk } from "../disk.ts";
import { StoreError } from "../errors.ts";
import { type CheckpointRecord, type DatabaseMode, isDamage, openDatabase, type RunDatabase } from "./database.ts";
import { at, databaseFile, noteFile, versionOfNote } from "./layout.ts";
import { noteSchema } from "./records.ts";

type Note = ReturnType<typeof readNotes>[number];

export async function writeNote(
  directory: string,
  checkpoint: CheckpointRecord,
  { disk, database, flush }: { readonly disk: Disk; readonly database: RunDatabase; readonly flush: boolean },
): Promise<void> {
  const [last] = database.rounds(checkpoint.version - 1, 1);
  const note = JSON.stringify({ checkpoint, meta: database.meta(), last, workers: database.workers() });
  const text = `${crc32(note)}\n${note}\n`;
  const path = at(directory, noteFile(checkpoint.version));
  await disk.write(`${path}.part`, [Buffer.from(text)], { flush });
  await disk.rename(`${path}.part`, path, { flush });
}

/** The database of a run to go on with: what it has lost is filled in from the notes, as far as they know it. */
export function soundDatabase(directory: string, mode: DatabaseMode, warnings: string[]): RunDatabase {
  const notes = readNotes(directory);
  try {
    const database = readableDatabase(directory, mode);
    fillIn(database, notes, warnings);
    return database;
  } catch (error) {
    const [newest] = notes;
    if (!(error instanceof StoreError) || !isDamage(error) || newest === undefined) throw error;
    setAside(directory);
    const database = openDatabase(directory, mode);
    database.putMeta(newest.meta);
    for (const worker of newest.workers) database.putWorker(worker);
    fillIn(database, notes, []);
    warnings.push(
      `${error.message}; it was set aside as ${databaseFile}.damaged, and what was noted with ` +
        `version ${newest.checkpoint.version} holds: rounds after it are run again`,
    );
    return database;
  }
}

function readableDatabase(directory: string, mode: DatabaseMode): RunDatabase {
  const database = openDatabase(directory, mode);
  try {
    database.checkStructure();
    database.meta();
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function fillIn(database: RunDatabase, notes: readonly Note[], warnings: string[]): void {
  const newest = database.checkpoints()[0]?.version ?? -1;
  const rounds = new Set(database.rounds().map(({ version }) => version));
  database.dropDamaged();
  for (const { checkpoint, last } of notes) {
    // Killed between the two, a process leaves a version with its note that the database does not know yet.
    if (checkpoint.version > newest) database.putCheckpoint(checkpoint);
    if (last === undefined || rounds.has(last.version)) continue;
    database.putRound(last);
    warnings.push(`${databaseFile}: the record of round ${last.version} was lost; it was noted with its version`);
  }
}

function setAside(directory: string): void {
  for (const suffix of ["", "-wal", "-shm"]) {
    const path = at(directory, databaseFile) + suffix;
    if (existsSync(path)) renameSync(path, `${at(directory, databaseFile)}.damaged${suffix}`);
  }
}

/** Newest first; those that are damaged themselves are left out. */
export function readNotes(directory: string) {
  return readdirSync(directory)
    .flatMap((file) => (versionOfNote(file) === undefined ? [] : [file]))
    .sort()
    .toReversed()
    .flatMap((file) => {
      const [crc, note = ""] = readFileSync(at(directory, file), "utf8").split("\n");
      if (Number(crc) !== crc32(note)) return [];
      const { success, data } = noteSchema.safeParse(JSON.parse(note));
      return success ? [data] : [];
    });
}
