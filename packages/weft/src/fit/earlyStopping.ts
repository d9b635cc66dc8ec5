/** Ends a fit that no longer gets better (Prechelt 1998, "Early stopping, but when?": the patience criterion). */
import type { Parameters } from "@weft/nn";
import type { Callback, Watched } from "./callback.ts";
import { isBetter, watchedValue } from "./callback.ts";

export interface EarlyStoppingOptions extends Watched {
  /** Epochs without a better value after which the fit ends. */
  readonly patience: number;
  /** Less than this much better does not count; default 0. */
  readonly least?: number;
  /** Ends with the parameters of the best epoch, however the fit ends; default true. */
  readonly restoreBest?: boolean;
}

export function earlyStopping(options: EarlyStoppingOptions): Callback {
  const { patience, restoreBest = true } = options;
  let best: number | undefined;
  let bestEpoch = 0;
  let kept: Readonly<Parameters> | undefined;
  return {
    name: "earlyStopping",
    memory: () => ({
      values: { bestEpoch, ...(best === undefined ? {} : { best }) },
      ...(kept === undefined ? {} : { parameters: kept }),
    }),
    recall({ values, parameters }) {
      best = values["best"];
      bestEpoch = values["bestEpoch"] ?? 0;
      kept = parameters;
    },
    onStart() {
      best = undefined;
      kept = undefined;
      bestEpoch = 0;
    },
    async onEpoch(record, control) {
      const value = watchedValue(record, options);
      if (isBetter(value, best, options)) {
        best = value;
        bestEpoch = record.epoch;
        if (restoreBest) kept = await control.parameters();
      } else if (record.epoch - bestEpoch >= patience) {
        control.stop(`${options.metric} has not been better than in epoch ${bestEpoch} for ${patience} epochs`);
      }
    },
    async onEnd(control) {
      if (kept) await control.restore(kept);
    },
  };
}
