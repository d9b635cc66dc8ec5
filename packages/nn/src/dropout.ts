/** Dropout (Srivastava et al. 2014). */
import { bernoulli, where } from "@weft/tensor";
import { ModelError } from "./errors.ts";
import type { Layer } from "./layer.ts";
import { define } from "./layer.ts";
import { checkOptions } from "./settings.ts";

export interface DropoutOptions {
  /** Share of the values that are dropped. */
  readonly rate: number;
}

/** While training, zeroes each value with probability `rate` and divides the rest by 1 − rate; otherwise lets all pass. */
export function dropout(options: DropoutOptions): Layer {
  const { rate } = options;
  checkOptions("dropout", options, ["rate"]);
  if (!(rate >= 0 && rate < 1)) {
    throw new ModelError(
      `dropout: rate must be a number of at least 0 and below 1, got ${rate}; it is the share dropped`,
    );
  }
  return define(
    ({ training, key }) =>
      (x) =>
        training && rate > 0 ? where(bernoulli(key(), x.shape, 1 - rate), x.div(1 - rate), 0) : x,
    { kind: "dropout" },
  );
}
