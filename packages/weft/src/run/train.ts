/** Trains a job on this machine from a program: a coordinator here, workers in processes of their own. */
import type { CoordinatorEvent, Outcome } from "@weft/coordinator";
import { wholeModel } from "@weft/worker";
import type { Job } from "../job/defineJob.ts";
import { hostRun } from "./hostRun.ts";
import type { TrainedModel } from "./trainedModel.ts";
import { trainedModel } from "./trainedModel.ts";
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
export interface Run extends TrainedModel {
  readonly outcome: Outcome;
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
  const weights = await wholeModel(hosted.trainer, outcome.weights);
  return { outcome, ...trainedModel(hosted, weights) };
}
