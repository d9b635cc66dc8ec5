/** A version of a stored run, whole on disk or made again from the log; reading disturbs no run under way. */
import { readFileSync } from "node:fs";
import { decodeJob, sharedParameters } from "@weft/protocol";
import { createManifest } from "@weft/vector";
import { codecsOf } from "../codecs.ts";
import { RunError, StoreError } from "../errors.ts";
import { layoutOf } from "../model/layout.ts";
import { ServerModel } from "../model/serverModel.ts";
import { encodeBroadcastInTurns } from "../versions/broadcast.ts";
import { readCheckpoint } from "./checkpoint.ts";
import { openDatabase, type RunDatabase } from "./database.ts";
import { at, jobFile } from "./layout.ts";
import { replay } from "./resumeRun.ts";
import { findRun } from "./runs.ts";

export interface LoadedVersion {
  readonly run: string;
  readonly version: number;
  readonly weights: Float32Array;
  /** The version on disk from which the log was replayed; itself where it lies there whole. */
  readonly checkpoint: number;
  /** What was found damaged. */
  readonly warnings: readonly string[];
}

/**
 * By default the newest that was committed, be it only in the log, as after a kill. Needs the backend of the run when it
 * replays: another may differ in the last bits, which a warning tells.
 *
 * @throws {RunError} when the version is not kept, {@link StoreError} when its file and all that lead on to it are damaged
 */
export async function loadVersion(directory: string, run: string, version?: number): Promise<LoadedVersion> {
  const id = findRun(directory, run);
  const path = at(directory, id);
  const database = openDatabase(path, "read");
  try {
    const wanted = version ?? database.lastRound()?.version ?? 0;
    const loaded = await loadFrom(path, wanted, database);
    if (loaded.version !== wanted) {
      if (version !== undefined)
        throw new RunError(`run ${id} keeps ${keptText(database)}; ${version} is not among them`);
      loaded.warnings.push(`rounds after ${loaded.version} cannot be restored`);
    }
    return { run: id, ...loaded, warnings: [...loaded.warnings, ...database.damage] };
  } finally {
    database.close();
  }
}

/** The version, or the one nearest before it that can be had. */
async function loadFrom(path: string, wanted: number, database: RunDatabase) {
  const { document } = decodeJob(new Uint8Array(readFileSync(at(path, jobFile))));
  const manifest = createManifest(sharedParameters(document));
  const codec = codecsOf(document).down;
  const warnings: string[] = [];
  for (const record of database.checkpoints()) {
    if (record.version > wanted) continue;
    try {
      const base = await readCheckpoint(path, record, manifest);
      if (base.version === wanted) return { version: wanted, weights: base.weights, checkpoint: wanted, warnings };
      const model = await ServerModel.create(document.round.server, base.weights, {
        layout: layoutOf(document, manifest),
      });
      try {
        const reached = await replay(path, base, {
          ...{ database, model, warnings },
          weighting: document.round.weighting,
          hash: async () => (await encodeBroadcastInTurns(0, model.weights, codec)).hash,
          upTo: wanted,
        });
        return { version: reached, weights: model.weights.slice(), checkpoint: base.version, warnings };
      } finally {
        model.dispose();
      }
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      warnings.push(`checkpoint ${record.version} is damaged and passed over: ${error.message}`);
    }
  }
  if (warnings.length > 0) throw new StoreError(`${path}: ${warnings.join("; ")}`);
  return { version: -1, weights: new Float32Array(), checkpoint: -1, warnings };
}

function keptText(database: RunDatabase): string {
  const versions = database.checkpoints().map((record) => record.version);
  const [newest = 0, last = 0] = [versions[0], database.lastRound()?.version];
  const logged = last > newest ? `, and those up to ${last} by its log` : "";
  return versions.length === 0 ? "no version yet" : `versions ${versions.join(", ")}${logged}`;
}
