/** What takes part in a `fit` from outside: told of every batch and epoch, and able to steer. */
import type { Parameters } from "@weft/nn";
import { JobError } from "../errors.ts";

/** Means over the examples of one epoch, as `history` keeps them. */
export interface EpochRecord {
  /** Counts from 1. */
  readonly epoch: number;
  /** Steps of the whole fit up to here. */
  readonly step: number;
  /** Mean over the epoch's batches, each before its step and with dropout on. */
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
  /** Loss and metrics over the validation examples after the epoch, where there are any. */
  readonly validation?: Readonly<Record<string, number>>;
  /** In the epoch's last step; left out for an optimiser within another. */
  readonly learningRate?: number;
  /** Spent on the epoch, its validation included. */
  readonly seconds: number;
}

export interface BatchRecord {
  readonly epoch: number;
  /** Of `batches` in the epoch (undefined where a stream has not said its size), counted from 1. */
  readonly batch: number;
  readonly batches: number | undefined;
  /** Of the whole fit, counted from 1. */
  readonly step: number;
  readonly examples: number;
  /** Of this batch, before its step. */
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
  /** Means of loss and metrics over the epoch so far. */
  readonly means: Readonly<Record<string, number>>;
}

/** What a callback can do. */
export interface FitControl {
  /** Steps that the fit takes if nothing ends it earlier; undefined when only a target or a callback does. */
  readonly totalSteps: number | undefined;
  readonly totalEpochs: number | undefined;
  /** Undefined where the optimiser's rate is not one number: a schedule, or within another optimiser. */
  readonly learningRate: number | undefined;
  /** From the next step on. Unless the rate was made `adjustable`, a step is compiled for each: not for every step, then. */
  readonly setLearningRate: (rate: number) => void;
  /** Ends the fit after the present batch or epoch. */
  readonly stop: (reason: string) => void;
  /** A copy of the parameters as they are now. */
  readonly parameters: () => Promise<Parameters>;
  /** Goes on from these parameters; the optimiser's state stays. */
  readonly restore: (parameters: Readonly<Parameters>) => Promise<void>;
  /**
   * Writes the fit as safetensors, for `resume`: the parameters by name, the optimiser's state, the place in the data, what
   * callbacks remember. `weightsOnly` writes the parameters alone.
   */
  readonly save: (path: string, options?: { readonly weightsOnly?: boolean }) => Promise<void>;
}

/** What a callback remembers from one epoch to the next. */
export interface CallbackMemory {
  readonly values: Readonly<Record<string, number>>;
  readonly parameters?: Readonly<Parameters>;
}

/** Every hook is waited for. State of its own begins in `onStart`, so that a callback may serve one fit after another. */
export interface Callback {
  onStart?(control: FitControl): void | Promise<void>;
  onBatch?(batch: BatchRecord, control: FitControl): void | Promise<void>;
  onEpoch?(epoch: EpochRecord, control: FitControl): void | Promise<void>;
  /** Once every callback has heard of the epoch: nothing of it changes any more. Checkpoints are written here. */
  afterEpoch?(epoch: EpochRecord, control: FitControl): void | Promise<void>;
  /** Before the result is made, however the fit ended. */
  onEnd?(control: FitControl): void | Promise<void>;
  /** Under which a checkpoint keeps what `memory` gives; several of one name are told apart by their order. */
  readonly name?: string;
  /** Goes into checkpoints. Without it a callback begins anew when a fit is resumed. */
  memory?(): CallbackMemory;
  /** Takes back what `memory` gave, after `onStart`. */
  recall?(memory: CallbackMemory): void;
}

/** Which figure is watched, and which way is better. */
export interface Watched {
  /** "loss" or one of the job's metrics: on the validation examples where there are any, else over the training epoch. */
  readonly metric: string;
  /** Default: "max" for accuracies, precision, recall, F1 and areas under curves; "min" for everything else. */
  readonly mode?: "min" | "max";
}

/** @throws {JobError} when the job has no such metric */
export function watchedValue({ validation, loss, metrics }: EpochRecord, { metric }: Watched): number {
  const figures = validation ?? { loss, ...metrics };
  const value = figures[metric];
  if (value === undefined) {
    throw new JobError(
      `no metric ${metric} to watch; expected one of ${Object.keys(figures).join(", ")}, as the job names them`,
    );
  }
  return value;
}

/** Whether `value` is better than `best` by more than `least`. NaN is never better. */
export function isBetter(value: number, best: number | undefined, options: Watched & { least?: number }): boolean {
  if (best === undefined) return !Number.isNaN(value);
  const { metric, least = 0 } = options;
  const mode = options.mode ?? (/accuracy|precision|recall|f1|auc/i.test(metric) ? "max" : "min");
  return mode === "max" ? value > best + least : value < best - least;
}
