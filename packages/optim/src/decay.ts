/** Weight decay as every optimiser here takes it. */
import type { FixedRate, Rate } from "./schedule.ts";
import { fixedRate, rate } from "./schedule.ts";
import { flag } from "./settings.ts";

export interface DecayOptions {
  /** A number, or a schedule of them. */
  readonly learningRate: Rate;
  /** Pulls parameters to zero; default 0. Biases and scales are often left out of it: see `partition`. */
  readonly weightDecay?: FixedRate;
  /**
   * False: the decay is part of the gradient, g + weightDecay·w, as an L2 penalty. True: apart from it, w·(1 − learningRate·weightDecay)
   * before the step (Loshchilov and Hutter 2019).
   */
  readonly decoupledDecay?: boolean;
}

/** The ranges of these settings. */
export const decayRanges = { learningRate: rate, weightDecay: fixedRate, decoupledDecay: flag };
