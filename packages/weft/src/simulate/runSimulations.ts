/** Runs simulations of jobs one after another, each with its own settings, on the same threads. */
import { availableParallelism } from "node:os";
import { simulate, startTrainerThreads, type SimulatedRound, type TrainerThreads } from "@weft/simulator";
import { checkContract, type DatasetSource } from "@weft/data";
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

/** @throws {JobError | DataRangeError} before anything is computed, where one of the runs cannot be */
export async function runSimulations(runs: readonly Named[], options: SimulateOptions): Promise<Result[]> {
  const sets = new Datasets();
  const prepared: Prepared[] = [];
  for (const { name, settings } of runs) prepared.push(await prepare(name, settings, sets));
  // Of the coordinator; workers are trained on engines of their own, one for each thread.
  useEngine({ threads: 1 });
  const threads = startTrainerThreads(options.threads === "auto" ? availableParallelism() : options.threads);
  try {
    const results: Result[] = [];
    for (const run of prepared) {
      if (options.signal.aborted) break;
      results.push(await runOne(run, { ...options, trainers: threads }));
    }
    return results;
  } finally {
    await threads.close();
  }
}

/** Data is read once, however many runs are of it. */
class Datasets {
  readonly #loaded = new Map<DatasetSource, ReturnType<DatasetSource["load"]>>();

  load(source: DatasetSource): ReturnType<DatasetSource["load"]> {
    const loading = this.#loaded.get(source) ?? source.load();
    this.#loaded.set(source, loading);
    return loading;
  }
}

/** Everything that can be found wrong with a run before it begins: the last of many may not fail for a word misspelt. */
async function prepare(name: string, { definition, workers, machines }: Settings, sets: Datasets) {
  const { train, test } = await sets.load(definition.data);
  const encoded = buildJob(defineJob(definition), { train });
  checkContract(train, checkJob(encoded).document.data);
  const partition = (slots: number) =>
    partitionOf(definition.round.partition, train, { workers: slots, seed: definition.seed ?? 0 });
  partition(workers);
  return { name, job: definition.name, workers, machines, encoded, train, test, partition };
}

type Prepared = Awaited<ReturnType<typeof prepare>>;

async function runOne(
  { name, job, workers, machines, encoded, train, test, partition }: Prepared,
  { seed, signal, onRound, trainers }: SimulateOptions & { readonly trainers: TrainerThreads },
): Promise<Result> {
  const simulation = await simulate({
    job: encoded,
    train,
    compute: await trainers.begin(encoded, { train, test }),
    partition,
    workers,
    seed,
    machines,
    signal,
    onRound: (round) => {
      onRound(name, round);
    },
  });
  return { name, job, workers, machines, simulation };
}
