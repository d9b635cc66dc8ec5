/** RAdam (Liu et al. 2020): Adam whose adaptive rate waits until its variance is tractable; the threshold is PyTorch's, 5. */
import type { Tensor } from "@weft/tensor";
import { where } from "@weft/tensor";
import type { MeansOptions } from "./means.ts";
import { average, meansRanges, remainder } from "./means.ts";
import type { Optimizer } from "./optimizer.ts";
import { perParameter } from "./perParameter.ts";
import { checkSettings } from "./settings.ts";
import type { RadamSpec } from "./spec.ts";

const threshold = 5;

/**
 * m and v as in Adam, m̂ = m/(1 − beta1^t). With ρ∞ = 2/(1 − beta2) − 1 and ρ = ρ∞ − 2t·beta2^t/(1 − beta2^t):
 * where ρ > 5, w ← w − learningRate·r·m̂·√(1 − beta2^t)/(√v + epsilon) with r² = (ρ − 4)(ρ − 2)ρ∞ / ((ρ∞ − 4)(ρ∞ − 2)ρ);
 * else w ← w − learningRate·m̂. State: m, v, then t.
 */
export function radam(options: MeansOptions): Optimizer<RadamSpec> {
  const { learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
  const { weightDecay = 0, decoupledDecay = false } = options;
  const spec: RadamSpec = { name: "radam", learningRate, beta1, beta2, epsilon, weightDecay, decoupledDecay };
  checkSettings(spec, meansRanges);
  const limit = 2 / (1 - beta2) - 1;
  return perParameter(spec, {
    slots: [0, 0],
    countsSteps: true,
    update({ parameter, gradient, slots: [first = gradient, second = gradient], learningRate: rate, step }) {
      const mean = average(first, gradient, beta1);
      const meanSquare = average(second, gradient.mul(gradient), beta2);
      const slots = [mean, meanSquare];
      const change = mean.mul(remainder(beta1, step).reciprocal().mul(rate));
      // So short a memory never gets there.
      if (limit <= threshold) return { parameter: parameter.sub(change), slots };
      const length = averageLength(beta2, step);
      const bounded = length.maximum(threshold);
      const rectifier = bounded
        .sub(4)
        .mul(bounded.sub(2))
        .mul(limit / ((limit - 4) * (limit - 2)))
        .div(bounded)
        .mul(remainder(beta2, step))
        .sqrt();
      const scale = where(length.greater(threshold), rectifier.div(meanSquare.sqrt().add(epsilon)), 1);
      return { parameter: parameter.sub(change.mul(scale)), slots };
    },
  });
}

/** Coefficients of x², x⁴, … in x/(eˣ − 1) = 1 − x/2 + Σ (Bernoulli numbers over factorials). */
const bernoulli = [1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000];

/**
 * ρ = ρ∞ − 2t·beta2^t/(1 − beta2^t), the length of the average after t updates. As written it is the small difference of two large
 * numbers. With a = −log beta2 and x = a·t it is (ρ∞ − 2/a) + (2/a)·(1 − x/(eˣ − 1)), the first term a constant, and the
 * bracket is a short series while x is small.
 */
function averageLength(beta2: number, step: Tensor): Tensor {
  const a = -Math.log(beta2);
  const x = step.mul(a);
  const square = x.mul(x);
  const tail = bernoulli.reduceRight((sum, coefficient) => sum.add(coefficient).mul(square), x.mul(0));
  const near = x.mul(0.5).sub(tail);
  const far = x.div(x.expm1()).neg().add(1);
  return where(x.less(0.5), near, far)
    .mul(2 / a)
    .add(2 / (1 - beta2) - 1 - 2 / a);
}
