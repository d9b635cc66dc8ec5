/** Adagrad (Duchi, Hazan and Singer 2011): rates fall with the squared gradients seen so far. */
import { lift } from "@weft/tensor";
import type { DecayOptions } from "./decay.ts";
import { decayRanges } from "./decay.ts";
import type { Optimizer } from "./optimizer.ts";
import { perParameter } from "./perParameter.ts";
import { checkSettings, nonNegative, positive } from "./settings.ts";
import type { AdagradSpec } from "./spec.ts";

export interface AdagradOptions extends DecayOptions {
  /** Divides the rate by 1 + rateDecay·(t − 1) in update t; default 0. */
  readonly rateDecay?: number;
  /** What the sum of squares starts at; default 0. */
  readonly initialAccumulator?: number;
  /** Added to the root of the sum. */
  readonly epsilon?: number;
}

/** a ← a + g², w ← w − learningRate·g/(√a + epsilon). State: a for each parameter. */
export function adagrad(options: AdagradOptions): Optimizer<AdagradSpec> {
  const { learningRate, rateDecay = 0, initialAccumulator = 0, epsilon = 1e-10 } = options;
  const { weightDecay = 0, decoupledDecay = false } = options;
  const own = { rateDecay, initialAccumulator, epsilon };
  const spec: AdagradSpec = { name: "adagrad", learningRate, ...own, weightDecay, decoupledDecay };
  checkSettings(spec, {
    ...decayRanges,
    rateDecay: nonNegative,
    initialAccumulator: nonNegative,
    epsilon: positive,
  });
  return perParameter(spec, {
    slots: [initialAccumulator],
    countsSteps: rateDecay > 0,
    update({ parameter, gradient, slots: [sum = gradient], learningRate: rate, step }) {
      const summed = sum.add(gradient.mul(gradient));
      const slowed = rateDecay > 0 ? lift(rate, parameter.dtype).div(step.sub(1).mul(rateDecay).add(1)) : rate;
      const change = gradient.mul(slowed).div(summed.sqrt().add(epsilon));
      return { parameter: parameter.sub(change), slots: [summed] };
    },
  });
}
