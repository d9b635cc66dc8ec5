/** A version of a stored run with the programs to use it. */
import { loadVersion, openRun } from "@weft/coordinator";
import { encodeSafetensors, parameterViews } from "@weft/vector";
import type { Trainer } from "@weft/worker";
import { checkJob, createTrainer, wholeModel } from "@weft/worker";
import { useEngine } from "./engine.ts";

export interface StoredModel {
  readonly run: string;
  readonly version: number;
  readonly weights: Float32Array;
  readonly trainer: Trainer;
  /** What was found damaged on the way to it. */
  readonly warnings: readonly string[];
}

/** @param version by default the newest committed; what is not whole on disk is made again from the run's log */
export async function openModel(runs: string, run: string, version?: number): Promise<StoredModel> {
  useEngine({ threads: "auto" });
  const trainer = createTrainer(checkJob(openRun(runs, run).job));
  const loaded = await loadVersion(runs, run, version);
  const weights = await wholeModel(trainer, loaded.weights);
  return { run: loaded.run, version: loaded.version, weights, trainer, warnings: loaded.warnings };
}

/** The weights by parameter name, with the job's name as metadata. */
export function weightsFile({ job }: Trainer, weights: Float32Array): Uint8Array {
  const views = parameterViews(job.manifest, weights);
  const tensors = job.manifest.entries.map(({ name, shape }) => ({
    name,
    shape,
    dtype: "F32" as const,
    data: Float32Array.from(views.get(name) ?? []),
  }));
  return encodeSafetensors(tensors, { job: job.document.name });
}
