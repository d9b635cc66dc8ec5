/** Adamax (Kingma and Ba 2015, section 7.1): Adam with the largest recent gradient in place of the mean square. */
import type { MeansOptions } from "./means.ts";
import { average, meansRanges, remainder } from "./means.ts";
import type { Optimizer } from "./optimizer.ts";
import { perParameter } from "./perParameter.ts";
import { checkSettings } from "./settings.ts";
import type { AdamaxSpec } from "./spec.ts";

/**
 * m ← beta1·m + (1 − beta1)·g, u ← max(beta2·u, |g| + epsilon), w ← w − learningRate·m/((1 − beta1^t)·u).
 * State: m, u, then t.
 */
export function adamax(options: MeansOptions): Optimizer<AdamaxSpec> {
  const { learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
  const { weightDecay = 0, decoupledDecay = false } = options;
  const spec: AdamaxSpec = { name: "adamax", learningRate, beta1, beta2, epsilon, weightDecay, decoupledDecay };
  checkSettings(spec, meansRanges);
  return perParameter(spec, {
    slots: [0, 0],
    countsSteps: true,
    update({ parameter, gradient, slots: [first = gradient, second = gradient], learningRate: rate, step }) {
      const mean = average(first, gradient, beta1);
      const largest = second.mul(beta2).maximum(gradient.abs().add(epsilon));
      const scaled = remainder(beta1, step).reciprocal().mul(rate);
      return { parameter: parameter.sub(mean.mul(scaled).div(largest)), slots: [mean, largest] };
    },
  });
}
