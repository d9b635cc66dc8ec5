/** Runs simulations of jobs one after another, each with its own settings, on the same threads. */
import { availableParallelism } from "node:os";
import { simulate, startTrainerThreads, type SimulatedRound, type TrainerThreads } from "@weft/simulator";
import { checkContract } from "@weft/data";
import { checkJob } from "@weft/worker";
import { buildJob } from "../job/buildJob.ts";
import { defineJob } from "../job/defineJob.ts";
import { partitionOf } from "../job/partition.ts";
import { useEngine } from "../run/engine.ts";
import type { Result } from "./report.ts";
import type { Named, Settings } from "./settings.ts";

export interface SimulateOptions {
  readonly threads: number | "auto";
  /** Of the machines. */
  readonly seed: number;
  readonly signal: AbortSignal;
  /** A round was made, or measured, in the run of this name. */
  readonly onRound: (name: string, round: SimulatedRound) => void;
}

export async function runSimulations(runs: readonly Named[], options: SimulateOptions): Promise<Result[]> {
  // Of the coordinator; workers are trained on engines of their own, one for each thread.
  useEngine({ threads: 1 });
  const threads = startTrainerThreads(options.threads === "auto" ? availableParallelism() : options.threads);
  try {
    const results: Result[] = [];
    for (const { name, settings } of runs) {
      if (options.signal.aborted) break;
      results.push(await runOne(name, settings, { ...options, trainers: threads }));
    }
    return results;
  } finally {
    await threads.close();
  }
}

async function runOne(
  name: string,
  { definition, workers, machines }: Settings,
  { seed, signal, onRound, trainers }: SimulateOptions & { readonly trainers: TrainerThreads },
): Promise<Result> {
  const job = defineJob(definition);
  const { train, test } = await definition.data.load();
  const encoded = buildJob(job, { train });
  checkContract(train, checkJob(encoded).document.data);
  const simulation = await simulate({
    job: encoded,
    train,
    compute: await trainers.begin(encoded, { train, test }),
    partition: (slots) =>
      partitionOf(definition.round.partition, train, { workers: slots, seed: definition.seed ?? 0 }),
    workers,
    seed,
    machines,
    signal,
    onRound: (round) => {
      onRound(name, round);
    },
  });
  return { name, job: definition.name, workers, machines, simulation };
}
