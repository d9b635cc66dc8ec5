/** From a job and options to what a fit runs on: the data, the job's programs at the batch sizes that occur, the first weights. */
import { checkContract, splitDataset } from "@weft/data";
import type { Dataset } from "@weft/data";
import type { Parameters } from "@weft/nn";
import { tensor } from "@weft/tensor";
import type { Manifest } from "@weft/vector";
import { flatten as flattenParameters, parameterViews } from "@weft/vector";
import type { CheckedJob, Trainer } from "@weft/worker";
import { checkJob, createTrainer } from "@weft/worker";
import { JobError } from "../errors.ts";
import { buildJob, defaultEvaluationBatch, lossBatches } from "../job/buildJob.ts";
import type { Job } from "../job/defineJob.ts";
import { tracePrograms } from "../job/programs.ts";
import type { FitOptions } from "./options.ts";

export interface PreparedFit {
  readonly job: CheckedJob;
  readonly trainer: Trainer;
  readonly train: Dataset;
  readonly validation: Dataset | undefined;
  readonly test: Dataset;
  readonly batchSize: number;
  /** Batches in one epoch. */
  readonly batches: number;
  /** Infinity where only a target, a callback or a signal ends the fit. */
  readonly totalSteps: number;
  /** A plain specification, as `createOptimizer` takes it. */
  readonly optimizer: CheckedJob["document"]["round"]["server"];
  readonly weights: Float32Array;
}

export async function prepareFit(job: Job, options: FitOptions): Promise<PreparedFit> {
  const whole = await job.definition.data.load();
  const { train, validation } = divided(job, whole, options.validation);
  const resized = withBatchSize(job, options.batchSize);
  const { work, server } = resized.definition.round;
  const largest = Math.max(train.size, whole.test.size, validation?.size ?? 0);
  const sizes = lossBatches(work, train.size);
  const encoded = buildJob(
    resized,
    { train },
    {
      lossBatches: occurringBatches(sizes, work.batchSize, train.size),
      evaluationBatch: Math.min(defaultEvaluationBatch, largest),
    },
  );
  // The user's own program on the user's own machine: nothing is too large.
  const received = checkJob(encoded, { maxMemoryBytes: Infinity, maxStepFlops: Infinity });
  const checked = withStatistics(received, resized, train);
  for (const dataset of [train, validation]) if (dataset) checkContract(dataset, checked.document.data);
  const trainer = createTrainer(checked);
  const batches = Math.ceil(train.size / work.batchSize);
  return {
    job: checked,
    trainer,
    train,
    validation,
    test: whole.test,
    batchSize: work.batchSize,
    batches,
    totalSteps: stepLimit(resized, options, { size: train.size, batches }),
    optimizer: work.kind === "local" ? work.optimizer : server,
    weights: options.initial
      ? await flatFrom(checked.manifest, options.initial)
      : await trainer.initialize(checked.document.seed),
  };
}

function divided(job: Job, data: { train: Dataset; test: Dataset }, validation: FitOptions["validation"]) {
  if (data.train.size === 0) throw new JobError(`job ${job.definition.name}: its training set is empty; add examples`);
  if (typeof validation !== "number") {
    return { train: data.train, validation: validation === "test" ? data.test : validation };
  }
  const { train, test } = splitDataset(data.train, { test: validation, seed: job.definition.seed ?? 0 });
  return { train, validation: test };
}

function withBatchSize({ kind, definition }: Job, batchSize: number | undefined): Job {
  if (batchSize === undefined) return { kind, definition };
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new JobError(`fit: batchSize is ${batchSize}; expected a whole number from 1`);
  }
  const { round } = definition;
  return { kind, definition: { ...definition, round: { ...round, work: { ...round.work, batchSize } } } };
}

/** Of the sizes that a worker would have, those that an epoch needs: for its full batches and for the last one. */
function occurringBatches(sizes: readonly number[], batchSize: number, examples: number): number[] {
  const holding = (rows: number) => sizes.find((size) => size >= rows) ?? rows;
  const full = holding(Math.min(batchSize, examples));
  const last = examples % batchSize;
  return [...new Set([...(last > 0 ? [holding(last)] : []), full])];
}

/**
 * Where a model measures running statistics, such as those of batchNorm, the steps carry them along. The programs that travel
 * do not; and no row of filling may be measured, so the last batch has its own size.
 */
function withStatistics(job: CheckedJob, { definition }: Job, train: Dataset): CheckedJob {
  if (job.manifest.entries.every(({ kind }) => kind === "weight")) return job;
  const { statistics, lossWithStatistics } = tracePrograms(definition, train.contract);
  const { batchSize } = definition.round.work;
  const batches = occurringBatches([], batchSize, train.size);
  return { ...job, loss: batches.map((batch) => ({ batch, program: lossWithStatistics(batch), statistics })) };
}

/**
 * The job's own rule where the options say nothing. Rounds of gradients are steps; a round of local work counts as the
 * epochs that each of its workers does.
 */
function stepLimit(
  { definition }: Job,
  options: FitOptions,
  { size, batches }: { size: number; batches: number },
): number {
  for (const name of ["epochs", "steps"] as const) {
    const value = options[name];
    if (value !== undefined && !(value > 0)) throw new JobError(`fit: ${name} is ${value}; expected a positive number`);
  }
  const { work } = definition.round;
  const stepsOf = (epochs: number) => {
    if (epochs === Infinity) return Infinity;
    const whole = Math.floor(epochs);
    // Fractions of epochs are sums of quotients; this much above a whole number of batches counts as that number.
    return whole * batches + Math.ceil(((epochs - whole) * size) / work.batchSize - 1e-9);
  };
  if (options.epochs !== undefined || options.steps !== undefined) {
    return Math.min(stepsOf(options.epochs ?? Infinity), options.steps ?? Infinity);
  }
  const { epochs = Infinity, rounds = Infinity } = definition.stop;
  const bySteps = work.kind === "local" ? rounds * work.epochs * batches : rounds;
  return Math.min(stepsOf(epochs), bySteps);
}

/** @throws {JobError} when a parameter is missing, unknown or of another shape */
export async function flatFrom(manifest: Manifest, parameters: Readonly<Parameters>): Promise<Float32Array> {
  const values = new Map<string, Float32Array>();
  for (const [name, value] of Object.entries(parameters)) {
    const entry = manifest.entries.find((candidate) => candidate.name === name);
    if (!entry || entry.shape.join() !== value.shape.join()) {
      const expected = entry ? `[${entry.shape.join()}]` : `none but ${manifest.entries.map((e) => e.name).join(", ")}`;
      throw new JobError(`fit: parameter ${name} is [${value.shape.join()}]; expected ${expected}`);
    }
    values.set(name, Float32Array.from(await value.data()));
  }
  const missing = manifest.entries.find(({ name }) => !values.has(name));
  if (missing) throw new JobError(`fit: no parameter ${missing.name} among the initial ones; give all of the model's`);
  return flattenParameters(manifest, values);
}

/** Named tensors over a flat vector, which must stay as it is. */
export function namedParameters(manifest: Manifest, flat: Float32Array): Parameters {
  const views = parameterViews(manifest, flat);
  return Object.fromEntries(
    manifest.entries.map(({ name, shape }) => [name, tensor(views.get(name) ?? new Float32Array(), { shape })]),
  );
}
