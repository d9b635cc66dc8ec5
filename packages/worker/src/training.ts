/** What a trainer does, apart from how: the types that its parts share. */
import type { Dataset } from "@weft/data";
import type { JobRound } from "@weft/protocol";
import type { GradientCorrection } from "./correction.ts";
import type { CheckedJob } from "./job.ts";

/** Sums over `weight` examples: the loss and each metric of the job. */
export interface ExampleSums {
  readonly weight: number;
  readonly metrics: Record<string, number>;
}

/** Rows of a dataset to train on. */
export interface ExampleRows {
  readonly dataset: Dataset;
  readonly rows: Uint32Array;
}

export interface LocalWork {
  /** Passes over the rows; or else `steps` of a batch each. */
  readonly epochs?: number | undefined;
  readonly steps?: number | undefined;
  readonly batchSize: number;
  readonly seed: number;
  /** A specification for `createOptimizer`. */
  readonly optimizer: JobRound["server"];
  /** Added to every gradient. */
  readonly correction?: GradientCorrection;
  /** The optimiser's state to go on with, as `LocalResult` gave it; a fresh one by default. */
  readonly optimizerState?: readonly Float32Array[];
  /** Memory for the change, of the parameters' size; its own by default. */
  readonly room?: Float32Array | undefined;
  /** Called between steps; throw to give up (the order was superseded). */
  readonly onStep?: () => void | Promise<void>;
}

export interface LocalResult extends ExampleSums {
  /** base − result. */
  readonly change: Float32Array;
  readonly steps: number;
  /** The bits of the optimiser's state, whatever their type; asked for when needed. */
  readonly optimizerState: () => Promise<Float32Array[]>;
}

/**
 * Flat vectors hold the parameters in manifest order. Calls are carried out one after another, so workers hosted by one
 * process can share a trainer and with it every compiled step.
 */
export interface Trainer {
  readonly job: CheckedJob;
  initialize(seed: number): Promise<Float32Array>;
  /** Mean gradient over the rows; of a running statistic, base − what the rows make it. */
  gradient(base: Float32Array, examples: ExampleRows, seed: number): Promise<ExampleSums & { gradient: Float32Array }>;
  /** Trains from `base` on the rows; the sums are those of the last epoch's steps, or of all steps, per example of the rows. */
  train(base: Float32Array, examples: ExampleRows, work: LocalWork): Promise<LocalResult>;
  /** Means of loss and metrics over the dataset, dropout off. */
  evaluate(weights: Float32Array, dataset: Dataset): Promise<Record<string, number>>;
  /** Predictions [size, …] for every row of the dataset; its last field (the target) is not used. */
  predict(weights: Float32Array, dataset: Dataset): Promise<{ values: Float32Array; shape: readonly number[] }>;
}
