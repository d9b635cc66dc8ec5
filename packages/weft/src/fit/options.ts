/** What `fit` can be told beyond what the job says. */
import type { Augmentation, Dataset } from "@weft/data";
import type { Parameters } from "@weft/nn";
import type { Callback } from "./callback.ts";

/** One field past the house's eight: these are the words that users of other libraries look for. */
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
  /** Applied to the inputs of every batch that is trained on. */
  readonly augment?: Augmentation | readonly Augmentation[];
  /** Parameters to begin with, such as those of an earlier fit; default: the job's own initialisation. */
  readonly initial?: Readonly<Parameters>;
  /** Ends the fit after the batch under way; the result is that of the training done until then. */
  readonly signal?: AbortSignal;
  /** A live line on a terminal, a line now and then in a pipe; default true. */
  readonly progress?: boolean;
}
