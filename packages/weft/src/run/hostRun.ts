/** Starts a coordinator for a job in this process: its data is served, its versions are evaluated, its rounds are stored. */
import type {
  Changes,
  Coordinator,
  ExampleParts,
  ExampleStore,
  Host,
  ListenOptions,
  RunOptions,
  StoreOptions,
} from "@weft/coordinator";
import { createCoordinator, openRun } from "@weft/coordinator";
import type { Dataset } from "@weft/data";
import { checkContract, selectRows } from "@weft/data";
import type { CheckedJob, Trainer } from "@weft/worker";
import { checkJob, createTrainer } from "@weft/worker";
import type { Logger } from "pino";
import { buildJob } from "../job/buildJob.ts";
import type { Job } from "../job/defineJob.ts";
import { partitionOf } from "../job/partition.ts";
import type { JoinPageFacts } from "../page/joinHtml.ts";
import { joinPages } from "../page/joinPages.ts";
import { useEngine } from "./engine.ts";
import { evaluator } from "./evaluator.ts";

export interface HostOptions {
  /** Rounds start when so many workers are ready; default 1. */
  readonly expectedWorkers?: number;
  /** A port of its own; */
  readonly listen?: ListenOptions;
  /** or one that it shares with other runs. */
  readonly host?: Host;
  readonly decide?: RunOptions["decide"];
  /** Directory of stored runs; without it the run lives in memory only. */
  readonly runs?: string;
  /** A stored run to go on with: its id or a unique prefix. */
  readonly resume?: string;
  /** What a committed round survives; default: as before, else "process". */
  readonly durability?: StoreOptions["durability"];
  /** Rules of the job that a new run begins with otherwise. */
  readonly changes?: Changes;
  readonly log?: Logger;
}

export interface HostedRun {
  readonly coordinator: Coordinator;
  readonly trainer: Trainer;
  readonly test: Dataset;
}

/** Evaluates with the job's own programs; a stored run goes on with the job it was started with. */
export async function hostRun(job: Job, options: HostOptions): Promise<HostedRun> {
  useEngine({ threads: 1 });
  const data = await job.definition.data.load();
  const encoded =
    options.resume === undefined || options.runs === undefined
      ? buildJob(job, data)
      : openRun(options.runs, options.resume).job;
  const trainer = createTrainer(checkJob(encoded));
  checkContract(data.train, trainer.job.document.data);
  const { host, listen, runs, resume, durability } = options;
  const run = {
    job: encoded,
    examples: exampleStore(data.train),
    partition: partitionRule(job, data.train),
    evaluate: evaluator(trainer, data.test),
    run: { expectedWorkers: options.expectedWorkers, decide: options.decide, changes: options.changes },
    store: runs === undefined ? undefined : { directory: runs, resume, durability },
    log: options.log,
  };
  const facts = [pageFacts(trainer.job)];
  const coordinator =
    host === undefined
      ? await createCoordinator({ ...run, listen: listen && { ...listen, pages: joinPages(() => facts) } })
      : await host.add(run);
  return { coordinator, trainer, test: data.test };
}

function exampleStore(dataset: Dataset): ExampleStore {
  return { size: dataset.size, rows: (indices) => selectRows(dataset, indices) };
}

function partitionRule(job: Job, train: Dataset): (slots: number) => ExampleParts {
  const { seed = 0, round } = job.definition;
  return (workers) => partitionOf(round.partition, train, { workers, seed });
}

/** What the volunteer's page says of a job. */
export function pageFacts({ document, manifest }: CheckedJob): JoinPageFacts {
  const fields = document.data.fields.map(({ name, shape }) => [name, shape.join("×")].filter(Boolean).join(" "));
  return { job: document.name, parameters: manifest.size, data: fields.join(" → ") };
}
