/** Callbacks that change the learning rate between epochs. Schedules that count steps belong to the optimiser itself. */
import { JobError } from "../errors.ts";
import type { Callback, FitControl, Watched } from "./callback.ts";
import { isBetter, watchedValue } from "./callback.ts";
import { fixedRateText } from "./rate.ts";

/** @param rate of the epoch (counted from 1), given the rate that the optimiser began with */
export function learningRate(rate: (epoch: number, initial: number) => number): Callback {
  let initial = 0;
  return {
    onStart(control) {
      initial = rateOf(control);
      control.setLearningRate(rate(1, initial));
    },
    onEpoch({ epoch }, control) {
      control.setLearningRate(rate(epoch + 1, initial));
    },
  };
}

export interface ReduceOnPlateauOptions extends Watched {
  /** Epochs without a better value after which the rate is lowered. */
  readonly patience: number;
  /** The rate is multiplied by this; default 0.1. */
  readonly factor?: number;
  /** Default 0. */
  readonly lowest?: number;
}

/** Lowers the learning rate whenever the figure watched has stopped getting better. */
export function reduceOnPlateau(options: ReduceOnPlateauOptions): Callback {
  const { patience, factor = 0.1, lowest = 0 } = options;
  let best: number | undefined;
  let since = 0;
  return {
    name: "reduceOnPlateau",
    memory: () => ({ values: { since, ...(best === undefined ? {} : { best }) } }),
    recall({ values }) {
      best = values["best"];
      since = values["since"] ?? 0;
    },
    onStart() {
      best = undefined;
      since = 0;
    },
    onEpoch(record, control) {
      const value = watchedValue(record, options);
      if (isBetter(value, best, options)) {
        best = value;
        since = 0;
      } else if (++since >= patience) {
        control.setLearningRate(Math.max(lowest, rateOf(control) * factor));
        since = 0;
      }
    },
  };
}

function rateOf({ learningRate: rate }: FitControl): number {
  if (rate !== undefined) return rate;
  throw new JobError(`the learning rate ${fixedRateText}`);
}
