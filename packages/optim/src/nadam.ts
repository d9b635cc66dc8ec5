/**
 * NAdam (Dozat 2016): Adam that looks ahead along its momentum, whose share grows over the updates. Follows the formula in
 * PyTorch's documentation; the code of PyTorch 1.13 departs from it.
 */
import type { Tensor } from "@weft/tensor";
import type { MeansOptions } from "./means.ts";
import { average, meansRanges, remainder } from "./means.ts";
import type { Optimizer } from "./optimizer.ts";
import { perParameter } from "./perParameter.ts";
import { checkSettings, nonNegative } from "./settings.ts";
import type { NadamSpec } from "./spec.ts";

export interface NadamOptions extends MeansOptions {
  /** How fast the momentum grows to beta1; default 0.004. */
  readonly momentumDecay?: number;
}

/**
 * With μ_t = beta1·(1 − 0.96^(t·momentumDecay)/2) and P = μ_1⋯μ_t: m and v as in Adam,
 * m̂ = μ_{t+1}·m/(1 − P·μ_{t+1}) + (1 − μ_t)·g/(1 − P), w ← w − learningRate·m̂/(√(v/(1 − beta2^t)) + epsilon).
 * State: m, v, then P, then t.
 */
export function nadam(options: NadamOptions): Optimizer<NadamSpec> {
  const { learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, momentumDecay = 0.004 } = options;
  const { weightDecay = 0, decoupledDecay = false } = options;
  const means = { beta1, beta2, epsilon };
  const spec: NadamSpec = { name: "nadam", learningRate, ...means, momentumDecay, weightDecay, decoupledDecay };
  checkSettings(spec, { ...meansRanges, momentumDecay: nonNegative });
  const momentumAt = (step: Tensor) =>
    step
      .mul(momentumDecay * Math.log(0.96))
      .exp()
      .mul(-0.5)
      .add(1)
      .mul(beta1);
  return perParameter(spec, {
    slots: [0, 0],
    countsSteps: true,
    shared: { initial: 1, next: (product, step) => product.mul(momentumAt(step)) },
    update({ parameter, gradient, slots: [first = gradient, second = gradient], learningRate: rate, step, shared }) {
      const mean = average(first, gradient, beta1);
      const meanSquare = average(second, gradient.mul(gradient), beta2);
      const ahead = momentumAt(step.add(1));
      const ofMean = ahead.div(shared.mul(ahead).neg().add(1)).mul(rate);
      const ofGradient = momentumAt(step).neg().add(1).div(shared.neg().add(1)).mul(rate);
      const root = meanSquare.mul(remainder(beta2, step).reciprocal()).sqrt().add(epsilon);
      const change = mean.mul(ofMean).add(gradient.mul(ofGradient)).div(root);
      return { parameter: parameter.sub(change), slots: [mean, meanSquare] };
    },
  });
}
