/** The store of a run that begins, or of one that goes on. */
import { readFileSync } from "node:fs";
import type { JobWeighting } from "@weft/protocol";
import type { Manifest } from "@weft/vector";
import { CoordinatorOptionsError } from "../errors.ts";
import type { ServerModel } from "../model/serverModel.ts";
import { createRun, type StoreSettings } from "./createRun.ts";
import { explained } from "./disk.ts";
import { at, jobFile } from "./layout.ts";
import { type ResumedRun, resumeRun } from "./resumeRun.ts";
import { findRun } from "./runs.ts";
import type { RunStore } from "./runStore.ts";

export interface OpenedStore {
  readonly store: RunStore;
  /** Undefined for a run that begins. */
  readonly resumed: ResumedRun | undefined;
}

/** What a stored run was started with: its full id and its job. */
export function storedJob(directory: string, run: string): { readonly run: string; readonly encoded: Uint8Array } {
  const id = findRun(directory, run);
  try {
    return { run: id, encoded: new Uint8Array(readFileSync(at(at(directory, id), jobFile))) };
  } catch (cause) {
    throw new CoordinatorOptionsError(`run ${id} has no job; it ended before it began: start it anew`, { cause });
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
    readonly hash: () => string;
  },
): Promise<OpenedStore> {
  const { run, resume, name, manifest, weighting, hash } = about;
  if (resume) {
    const resumed = await resumeRun(settings, { run, name, manifest, model, weighting, hash });
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
