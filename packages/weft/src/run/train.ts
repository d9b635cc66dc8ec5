/** Trains a job on this machine from a program: a coordinator here, workers in processes of their own. */
import { writeFile } from "node:fs/promises";
import type { CoordinatorEvent, Outcome } from "@weft/coordinator";
import type { Dataset } from "@weft/data";
import type { Tensor } from "@weft/tensor";
import type { Job } from "../job/defineJob.ts";
import { predictTensor } from "./predict.ts";
import type { HostedRun } from "./hostRun.ts";
import { hostRun } from "./hostRun.ts";
import { weightsFile } from "./storedModel.ts";
import { startWorkerProcesses } from "./workerProcesses.ts";

export interface TrainOptions {
  /** Default 1. */
  readonly workers?: number;
  /** Processes that host them; default one for each worker. */
  readonly processes?: number;
  /** Keep the run under this directory, so that it can be resumed; default: in memory only. */
  readonly runs?: string;
  /** After every committed round. */
  readonly onRound?: (round: Extract<CoordinatorEvent, { event: "round" }>) => void;
  readonly onEvent?: (event: CoordinatorEvent) => void;
}

/** A finished run. */
export interface Run {
  readonly outcome: Outcome;
  /** Means of loss and metrics over a dataset, by default the job's test set. */
  evaluate(dataset?: Dataset): Promise<Record<string, number>>;
  /**
   * @param inputs [batch, …], as the job's first field
   * @returns predictions [batch, …]
   */
  predict(inputs: Tensor): Promise<Tensor>;
  /** Writes the weights as safetensors, by parameter name. */
  save(path: string): Promise<void>;
}

export async function train(job: Job, options: TrainOptions = {}): Promise<Run> {
  const { workers = 1 } = options;
  const hosted = await hostRun(job, {
    expectedWorkers: workers,
    listen: { port: 0 },
    ...(options.runs === undefined ? {} : { runs: options.runs }),
  });
  const { coordinator } = hosted;
  coordinator.on((event) => {
    options.onEvent?.(event);
    if (event.event === "round") options.onRound?.(event);
  });
  const children = startWorkerProcesses({
    url: coordinator.url ?? "",
    workers,
    ...(options.processes === undefined ? {} : { processes: options.processes }),
  });
  void children.exited.then((codes) =>
    coordinator.stop(`every worker process has ended (exit codes ${codes.join(", ")})`),
  );
  const outcome = await coordinator.finished;
  await children.exited;
  return finishedRun(hosted, outcome);
}

function finishedRun({ trainer, test }: HostedRun, outcome: Outcome): Run {
  return {
    outcome,
    evaluate: (dataset = test) => trainer.evaluate(outcome.weights, dataset),
    predict: (inputs) => predictTensor(trainer, outcome.weights, inputs),
    save: (path) => writeFile(path, weightsFile(trainer, outcome.weights)),
  };
}
