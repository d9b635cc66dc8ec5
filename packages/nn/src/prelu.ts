/** A rectifier whose slope below 0 is learned. */
import { constant } from "./initializers.ts";
import { type Layer, define } from "./layer.ts";
import { checkOptions } from "./settings.ts";

export interface PreluOptions {
  /** Slope below 0 that training starts from; default 0.25. */
  readonly initialSlope?: number;
}

/** x above 0, slope · x below, with one learned `slope` for each channel of the last axis (He et al. 2015). */
export function prelu(options: PreluOptions = {}): Layer {
  const { initialSlope = 0.25 } = options;
  checkOptions("prelu", options, ["initialSlope"]);
  return define(
    (scope) => (x) => {
      const slope = scope.parameter("slope", x.shape.slice(-1), constant(initialSlope));
      return x.relu().sub(slope.mul(x.neg().relu()));
    },
    { kind: "prelu" },
  );
}
