/** LAMB (You et al. 2020): Adam's direction with a step in proportion to the norm of each tensor, for large batches. */
import { norm, where } from "@weft/tensor";
import type { MeansOptions } from "./means.ts";
import { average, remainder } from "./means.ts";
import type { Optimizer } from "./optimizer.ts";
import { perParameter } from "./perParameter.ts";
import { fixedRate, rate } from "./schedule.ts";
import { checkSettings, fraction, positive } from "./settings.ts";
import type { LambSpec } from "./spec.ts";

/**
 * m and v as in Adam, u = m̂/(√v̂ + epsilon) + weightDecay·w, w ← w − learningRate·(‖w‖/‖u‖)·u, norms per tensor and their
 * ratio 1 where one is zero. State: m, v, then t.
 */
export function lamb(options: Omit<MeansOptions, "decoupledDecay">): Optimizer<LambSpec> {
  const { learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-6, weightDecay = 0 } = options;
  const spec: LambSpec = { name: "lamb", learningRate, beta1, beta2, epsilon, weightDecay };
  checkSettings(spec, {
    learningRate: rate,
    weightDecay: fixedRate,
    beta1: fraction,
    beta2: fraction,
    epsilon: positive,
  });
  return perParameter(spec, {
    slots: [0, 0],
    elementwise: false,
    countsSteps: true,
    update({ parameter, gradient, slots: [first = gradient, second = gradient], ...input }) {
      const mean = average(first, gradient, beta1);
      const meanSquare = average(second, gradient.mul(gradient), beta2);
      const root = meanSquare.mul(remainder(beta2, input.step).reciprocal()).sqrt().add(epsilon);
      const adapted = mean.mul(remainder(beta1, input.step).reciprocal()).div(root);
      const direction = input.weightDecay === 0 ? adapted : adapted.add(parameter.mul(input.weightDecay));
      const [size, length] = [norm(parameter), norm(direction)];
      const trust = where(size.equal(0).or(length.equal(0)), 1, size.div(length));
      return { parameter: parameter.sub(direction.mul(trust.mul(input.learningRate))), slots: [mean, meanSquare] };
    },
  });
}
