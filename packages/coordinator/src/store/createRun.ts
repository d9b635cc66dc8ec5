/** A new run on disk: its directory, its job, version 0. */
import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import type { Manifest } from "@weft/vector";
import type { Disk } from "../disk.ts";
import type { CheckpointOptions } from "../options.ts";
import { openDatabase } from "./database.ts";
import { explained, nodeDisk } from "./nodeDisk.ts";
import { at, jobFile } from "./layout.ts";
import { lockRun } from "./lock.ts";
import type { StoredOptions } from "./records.ts";
import { RunStore } from "./runStore.ts";

export interface StoreSettings {
  readonly directory: string;
  readonly durability?: "process" | "power" | undefined;
  readonly checkpoint?: CheckpointOptions | undefined;
  readonly disk?: Disk | undefined;
  readonly nowMs?: (() => number) | undefined;
}

export interface NewRun {
  readonly run: string;
  readonly name: string;
  readonly job: Uint8Array;
  readonly manifest: Manifest;
  readonly options?: StoredOptions | undefined;
}

/** Six hexadecimal digits; runs are few, and a taken name is drawn again. */
export const newRunId = () => randomBytes(3).toString("hex");

/** Makes the directory and the records of a run that has no version yet; `checkpoint` of version 0 is to follow. */
export async function createRun(
  settings: StoreSettings,
  { run, name, job, manifest, options }: NewRun,
): Promise<RunStore> {
  const { disk = nodeDisk, durability = "process", checkpoint = {}, nowMs = () => performance.now() } = settings;
  const directory = at(settings.directory, run);
  await explained(directory, () => makeDirectory(settings.directory, directory));
  const lock = lockRun(directory, run);
  const database = openDatabase(directory, durability);
  const store = new RunStore({ run, directory, manifest, disk, database, lock, durability, checkpoint, nowMs });
  const flush = durability === "power";
  try {
    await disk.write(at(directory, `${jobFile}.part`), [job], { flush });
    await disk.rename(at(directory, `${jobFile}.part`), at(directory, jobFile), { flush });
    store.saveMeta({ name, createdAt: Date.now(), status: "running", detail: "", metrics: {}, options });
  } catch (error) {
    await store.close();
    throw error;
  }
  return store;
}

/** Step by step: of a read-only disk a recursive mkdir says that the directory above is not there. */
async function makeDirectory(above: string, directory: string): Promise<void> {
  await mkdir(above, { recursive: true }).catch(() => mkdir(above));
  await mkdir(directory, { recursive: true }).catch(() => mkdir(directory));
}
