/** What `fit` can be told beyond what the job says. */
import type { Augmentation, Dataset } from "@weft/data";
import type { Parameters } from "@weft/nn";
import { JobError } from "../errors.ts";
import type { Callback } from "./callback.ts";

/** Two fields past the house's eight: these are the words that users of other libraries look for. */
export interface FitOptions {
  /** Passes over the training set; default: what the job's `stop` says. */
  readonly epochs?: number;
  /** Batches in all; with `epochs` too, whichever comes first. */
  readonly steps?: number;
  /** Default: that of the job's rounds, or of its local work. */
  readonly batchSize?: number;
  /** Measured after each epoch: a share of the training set held out (chosen by the seed), a dataset, or the job's test set. */
  readonly validation?: number | Dataset | "test";
  readonly callbacks?: readonly Callback[];
  /** Applied to the inputs of every batch that is trained on, after what the job itself says. */
  readonly augment?: Augmentation | readonly Augmentation[];
  /** Parameters to begin with, with a new optimiser; default: the job's own initialisation. */
  readonly initial?: Readonly<Parameters>;
  /**
   * A file of the checkpoint callback, or of `control.save`: goes on where it was written, with the optimiser's state, the
   * place in the data and what callbacks remember, and ends with the bits of a fit that was never interrupted. Lengths count from
   * the very beginning; `history` has the epochs from here on.
   */
  readonly resume?: string;
  /** Ends the fit after the batch under way; the result is that of the training done until then. */
  readonly signal?: AbortSignal;
  /** A live line on a terminal, a line now and then in a pipe; default true. */
  readonly progress?: boolean;
}

const known: Readonly<Record<keyof FitOptions, true>> = {
  epochs: true,
  steps: true,
  batchSize: true,
  validation: true,
  callbacks: true,
  augment: true,
  initial: true,
  resume: true,
  signal: true,
  progress: true,
};

/** @throws {JobError} for an option that there is not, which would otherwise be left out in silence */
export function checkFitOptions(options: FitOptions): void {
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(known, name));
  if (unknown !== undefined) {
    throw new JobError(`fit: there is no option ${unknown}; expected only ${Object.keys(known).join(", ")}`);
  }
  if (options.callbacks === undefined || Array.isArray(options.callbacks)) return;
  throw new JobError("fit: callbacks is no list; expected one, such as [earlyStopping({ metric, patience: 3 })]");
}
