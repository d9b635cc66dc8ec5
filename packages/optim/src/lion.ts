/** Lion (Chen et al. 2023): steps by the sign of an interpolated momentum, all of one size. */
import type { DecayOptions } from "./decay.ts";
import { decayRanges } from "./decay.ts";
import { average } from "./means.ts";
import type { Optimizer } from "./optimizer.ts";
import { perParameter } from "./perParameter.ts";
import { checkSettings, fraction } from "./settings.ts";
import type { LionSpec } from "./spec.ts";

export interface LionOptions extends DecayOptions {
  /** Share of the momentum in the direction of the step. */
  readonly beta1?: number;
  /** Share of the momentum that is kept. */
  readonly beta2?: number;
}

/**
 * w ← w − learningRate·sign(beta1·m + (1 − beta1)·g), then m ← beta2·m + (1 − beta2)·g. The weight decay is decoupled unless said
 * otherwise. State: m.
 */
export function lion(options: LionOptions): Optimizer<LionSpec> {
  const { learningRate, beta1 = 0.9, beta2 = 0.99, weightDecay = 0, decoupledDecay = true } = options;
  const spec: LionSpec = { name: "lion", learningRate, beta1, beta2, weightDecay, decoupledDecay };
  checkSettings(spec, { ...decayRanges, beta1: fraction, beta2: fraction });
  return perParameter(spec, {
    slots: [0],
    update({ parameter, gradient, slots: [mean = gradient], learningRate: rate }) {
      const direction = average(mean, gradient, beta1).sign();
      return { parameter: parameter.sub(direction.mul(rate)), slots: [average(mean, gradient, beta2)] };
    },
  });
}
