/** The store of a run that begins, or of one that goes on. */
import { readFileSync } from "node:fs";
import type { JobWeighting } from "@weft/protocol";
import type { Manifest } from "@weft/vector";
import { CoordinatorOptionsError, StoreError } from "../errors.ts";
import type { ServerModel } from "../model/serverModel.ts";
import { createRun, type StoreSettings } from "./createRun.ts";
import { openDatabase } from "./database.ts";
import { explained } from "./nodeDisk.ts";
import { at, jobFile } from "./layout.ts";
import { readNotes } from "./note.ts";
import type { StoredOptions } from "./records.ts";
import { type ResumedRun, resumeRun } from "./resumeRun.ts";
import { findRun } from "./runs.ts";
import type { RunStore } from "./runStore.ts";

export interface OpenedStore {
  readonly store: RunStore;
  /** Undefined for a run that begins. */
  readonly resumed: ResumedRun | undefined;
}

/** What a stored run was started with. */
export interface StoredStart {
  /** Full id. */
  readonly run: string;
  readonly encoded: Uint8Array;
  readonly options: StoredOptions;
}

export function storedStart(directory: string, run: string): StoredStart {
  const id = findRun(directory, run);
  const path = at(directory, id);
  try {
    return { run: id, encoded: new Uint8Array(readFileSync(at(path, jobFile))), options: optionsOf(path) };
  } catch (cause) {
    throw new CoordinatorOptionsError(`run ${id} has no job; it ended before it began: start it anew`, { cause });
  }
}

/** What is damaged is said when the run goes on. */
function optionsOf(path: string): StoredOptions {
  try {
    const database = openDatabase(path, "read");
    try {
      return database.meta().options ?? {};
    } finally {
      database.close();
    }
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return readNotes(path)[0]?.meta.options ?? {};
  }
}

export async function openStore(
  settings: StoreSettings,
  model: ServerModel,
  about: {
    /** Full id; `resume` to go on with it. */
    readonly run: string;
    readonly resume: boolean;
    readonly name: string;
    readonly job: Uint8Array;
    readonly manifest: Manifest;
    readonly weighting: JobWeighting;
    readonly hash: () => Promise<string>;
    readonly options: StoredOptions;
  },
): Promise<OpenedStore> {
  const { resume, ...facts } = about;
  if (resume) {
    const resumed = await resumeRun(settings, { ...facts, model });
    return { store: resumed.store, resumed };
  }
  const store = await explained(settings.directory, () => createRun(settings, about));
  try {
    await store.checkpoint({ version: 0, weights: model.weights, state: model.state() });
  } catch (error) {
    await store.close();
    throw error;
  }
  return { store, resumed: undefined };
}
