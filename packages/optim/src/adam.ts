/**
 * Adam (Kingma and Ba 2015): steps scaled by running means of the gradient and of its square, corrected for their start at zero.
 * With it AdamW (Loshchilov and Hutter 2019) and AMSGrad (Reddi, Kale and Kumar 2018, as PyTorch has it).
 */
import type { MeansOptions } from "./means.ts";
import { average, meansRanges, remainder } from "./means.ts";
import type { Optimizer } from "./optimizer.ts";
import { perParameter } from "./perParameter.ts";
import { checkSettings, flag } from "./settings.ts";
import type { AdamSpec } from "./spec.ts";

export interface AdamOptions extends MeansOptions {
  /** Divides by the largest mean of squares so far, so that rates never rise again. */
  readonly amsgrad?: boolean;
}

/**
 * m ← beta1·m + (1 − beta1)·g, v ← beta2·v + (1 − beta2)·g², w ← w − learningRate·m̂/(√v̂ + epsilon) with
 * m̂ = m/(1 − beta1^t), v̂ = v/(1 − beta2^t). AMSGrad: x ← max(x, v) stands in for v in v̂.
 * State: m of every parameter, v of every parameter, x with AMSGrad, then t.
 */
export function adam(options: AdamOptions): Optimizer<AdamSpec> {
  const { learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, amsgrad = false } = options;
  const { weightDecay = 0, decoupledDecay = false } = options;
  const means = { beta1, beta2, epsilon };
  const spec: AdamSpec = { name: "adam", learningRate, ...means, amsgrad, weightDecay, decoupledDecay };
  checkSettings(spec, { ...meansRanges, amsgrad: flag });
  return perParameter(spec, {
    slots: amsgrad ? [0, 0, 0] : [0, 0],
    countsSteps: true,
    update({ parameter, gradient, slots: [first = gradient, second = gradient, third], learningRate: rate, step }) {
      const mean = average(first, gradient, beta1);
      const meanSquare = average(second, gradient.mul(gradient), beta2);
      const largest = third?.maximum(meanSquare);
      // The corrections are scalars: one division each, not one per element.
      const root = (largest ?? meanSquare).mul(remainder(beta2, step).reciprocal()).sqrt().add(epsilon);
      const scaled = remainder(beta1, step).reciprocal().mul(rate);
      return {
        parameter: parameter.sub(mean.mul(scaled).div(root)),
        slots: largest ? [mean, meanSquare, largest] : [mean, meanSquare],
      };
    },
  });
}

/** Adam with decoupled weight decay, 0.01 unless given. */
export const adamw = (options: Omit<AdamOptions, "decoupledDecay">): Optimizer<AdamSpec> =>
  adam({ weightDecay: 0.01, ...options, decoupledDecay: true });

/** Adam whose rates never rise again. */
export const amsgrad = (options: Omit<AdamOptions, "amsgrad">): Optimizer<AdamSpec> =>
  adam({ ...options, amsgrad: true });
