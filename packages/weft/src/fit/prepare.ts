/** From a job and options to what a fit runs on: the data, the job's programs at the batch sizes that occur, the first weights. */
import type { LocalJobWork } from "@weft/protocol";
import { checkContract, isStreamSource, splitDataset } from "@weft/data";
import type { DataContract, Dataset } from "@weft/data";
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
import type { Feed, FeedOptions } from "./feed.ts";
import { datasetFeed, streamFeed } from "./feed.ts";
import type { FitOptions } from "./options.ts";

export interface PreparedFit {
  readonly job: CheckedJob;
  readonly trainer: Trainer;
  readonly feed: Feed;
  readonly validation: Dataset | undefined;
  readonly test: Dataset;
  readonly batchSize: number;
  /** In one epoch, where that is known. */
  readonly batches: number | undefined;
  readonly limits: Limits;
  /** A plain specification, as `createOptimizer` takes it. */
  readonly optimizer: CheckedJob["document"]["round"]["server"];
  readonly weights: Float32Array;
}

/** Infinity where only a target, a callback or a signal ends the fit. */
export interface Limits {
  readonly steps: number;
  /** Follows from the steps, unless a stream has not said how many examples it has. */
  readonly epochs: number;
}

export async function prepareFit(job: Job, options: FitOptions): Promise<PreparedFit> {
  const data = await openData(job, options.validation);
  const { contract, size, validation, test } = data;
  const resized = withBatchSize(job, options.batchSize);
  const { work, server } = resized.definition.round;
  // Of a stream that has not said its size, every batch is taken to be full; the last one is padded.
  const examples = size ?? Infinity;
  const encoded = buildJob(
    resized,
    { train: { contract, size: size ?? 0 } },
    {
      lossBatches: occurringBatches(lossBatches(work, examples), work.batchSize, examples),
      evaluationBatch: Math.min(defaultEvaluationBatch, Math.max(size ?? 1, test.size, validation?.size ?? 0)),
    },
  );
  // The user's own program on the user's own machine: nothing is too large.
  const received = checkJob(encoded, { maxMemoryBytes: Infinity, maxStepFlops: Infinity });
  const checked = withStatistics(received, resized, { contract, size });
  for (const dataset of [data.train, validation]) if (dataset) checkContract(dataset, checked.document.data);
  const trainer = createTrainer(checked);
  const batches = size === undefined ? undefined : Math.ceil(size / work.batchSize);
  return {
    job: checked,
    trainer,
    feed: data.feed({ job: checked, batchSize: work.batchSize, augmentations: augmentationsOf(job, options) }),
    validation,
    test,
    batchSize: work.batchSize,
    batches,
    limits: limitsOf(resized, options, { size, batches }),
    optimizer: work.kind === "local" ? work.optimizer : server,
    weights: options.initial
      ? await flatFrom(checked.manifest, options.initial)
      : await trainer.initialize(checked.document.seed),
  };
}

interface OpenData {
  readonly contract: DataContract;
  readonly size: number | undefined;
  /** All of it, where it is a dataset. */
  readonly train: Dataset | undefined;
  readonly validation: Dataset | undefined;
  readonly test: Dataset;
  readonly feed: (options: FeedOptions) => Feed;
}

async function openData({ definition }: Job, validation: FitOptions["validation"]): Promise<OpenData> {
  const { name, data, seed = 0 } = definition;
  if (isStreamSource(data)) {
    if (typeof validation === "number") {
      throw new JobError(`fit: validation is a share, but ${data.name} is a stream; give a dataset, or "test"`);
    }
    const stream = await data.open();
    return {
      contract: { fields: stream.fields },
      size: stream.size,
      train: undefined,
      validation: validation === "test" ? stream.test : validation,
      test: stream.test,
      feed: (options) => streamFeed(data, stream, options),
    };
  }
  const whole = await data.load();
  if (whole.train.size === 0) throw new JobError(`job ${name}: its training set is empty; add examples`);
  const divided =
    typeof validation === "number"
      ? splitDataset(whole.train, { test: validation, seed })
      : { train: whole.train, test: validation === "test" ? whole.test : validation };
  const { train } = divided;
  const { contract, size } = train;
  return {
    ...{ contract, size, train, validation: divided.test, test: whole.test },
    feed: (options) => datasetFeed(train, options),
  };
}

function augmentationsOf({ definition }: Job, options: FitOptions): FeedOptions["augmentations"] {
  return [definition.augment, options.augment].flatMap((augment = []) => augment);
}

/** The job as it is built here: with the options' batch size, and without what only the feed is concerned with. */
function withBatchSize({ kind, definition }: Job, batchSize: number | undefined): Job {
  const travelling = { ...definition, augment: undefined };
  if (batchSize === undefined) return { kind, definition: travelling };
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new JobError(`fit: batchSize is ${batchSize}; expected a whole number from 1`);
  }
  const { round } = definition;
  return { kind, definition: { ...travelling, round: { ...round, work: { ...round.work, batchSize } } } };
}

/** Of the sizes that a worker would have, those that an epoch needs: for its full batches and for the last one. */
function occurringBatches(sizes: readonly number[], batchSize: number, examples: number): number[] {
  const holding = (rows: number) => sizes.find((size) => size >= rows) ?? rows;
  const full = holding(Math.min(batchSize, examples));
  const last = examples % batchSize;
  return [...new Set([...(last > 0 ? [holding(last)] : []), full])];
}

/**
 * Where a model measures running statistics, such as those of batchNorm, no row of filling may be measured, so the last batch has its
 * own size.
 */
function withStatistics(
  job: CheckedJob,
  { definition }: Job,
  { contract, size }: Pick<OpenData, "contract" | "size">,
): CheckedJob {
  if (job.manifest.entries.every(({ kind }) => kind === "weight")) return job;
  if (size === undefined) {
    throw new JobError(
      `job ${definition.name}: its model measures running statistics, for which the last batch must be known; give the stream's size`,
    );
  }
  const { statistics, loss } = tracePrograms(definition, contract);
  const batches = occurringBatches([], definition.round.work.batchSize, size);
  return { ...job, loss: batches.map((batch) => ({ batch, program: loss(batch), statistics })) };
}

/**
 * The job's own rule where the options say nothing. Rounds of gradients are steps; a round of local work counts as the
 * epochs that each of its workers does.
 */
function limitsOf(
  { definition }: Job,
  options: FitOptions,
  { size, batches }: { size: number | undefined; batches: number | undefined },
): Limits {
  for (const name of ["epochs", "steps"] as const) {
    const value = options[name];
    if (value !== undefined && !(value > 0)) throw new JobError(`fit: ${name} is ${value}; expected a positive number`);
  }
  const { work } = definition.round;
  const { epochs = Infinity, rounds = Infinity } = definition.stop;
  const isTold = options.epochs !== undefined || options.steps !== undefined;
  const { epochs: passes, steps: each = 1 }: Partial<LocalJobWork> = work.kind === "local" ? work : {};
  const byRounds = passes === undefined ? { steps: rounds * each } : { epochs: rounds * passes };
  const told: FitOptions = isTold ? options : { ...byRounds, epochs: Math.min(epochs, byRounds.epochs ?? Infinity) };
  const limits: Limits = { epochs: told.epochs ?? Infinity, steps: told.steps ?? Infinity };
  if (size === undefined || batches === undefined) {
    if (limits.epochs === Infinity || Number.isInteger(limits.epochs)) return limits;
    throw new JobError(
      `fit: epochs is ${limits.epochs}, but its stream has not said its size; expected a whole number, or give the size`,
    );
  }
  const whole = Math.floor(limits.epochs);
  // Fractions of epochs are sums of quotients; this much above a whole number of batches counts as that number.
  const part = Math.ceil(((limits.epochs - whole) * size) / work.batchSize - 1e-9);
  const steps = Math.min(limits.epochs === Infinity ? Infinity : whole * batches + part, limits.steps);
  return { steps, epochs: Math.ceil(steps / batches) };
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
