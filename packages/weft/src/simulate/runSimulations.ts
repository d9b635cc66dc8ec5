/** Runs simulations of jobs one after another, each with its own settings, on one engine. */
import { simulate, type SimulatedRound } from "@weft/simulator";
import { checkContract } from "@weft/data";
import { checkJob, createTrainer } from "@weft/worker";
import { buildJob } from "../job/buildJob.ts";
import { defineJob } from "../job/defineJob.ts";
import { partitionOf } from "../job/partition.ts";
import { useEngine } from "../run/engine.ts";
import { evaluator } from "../run/evaluator.ts";
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
  useEngine({ threads: options.threads });
  const results: Result[] = [];
  for (const { name, settings } of runs) {
    if (options.signal.aborted) break;
    results.push(await runOne(name, settings, options));
  }
  return results;
}

async function runOne(
  name: string,
  { definition, workers, machines }: Settings,
  { seed, signal, onRound }: SimulateOptions,
): Promise<Result> {
  const job = defineJob(definition);
  const { train, test } = await definition.data.load();
  const encoded = buildJob(job, { train });
  const trainer = createTrainer(checkJob(encoded));
  checkContract(train, trainer.job.document.data);
  const simulation = await simulate({
    job: encoded,
    trainer,
    train,
    evaluate: evaluator(trainer, test),
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
