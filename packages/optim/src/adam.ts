/** Adam (Kingma and Ba 2015): steps scaled by running means of the gradient and of its square, corrected for their start at zero. */
import type { Tensor } from "@weft/tensor";
import { elementwise } from "./elementwise.ts";
import type { Optimizer } from "./optimizer.ts";
import { checkSettings, fraction, nonNegative, positive } from "./settings.ts";
import type { AdamSpec } from "./spec.ts";

export interface AdamOptions {
  readonly learningRate: number;
  /** Share of the running mean of the gradient that is kept. */
  readonly beta1?: number;
  /** Share of the running mean of its square that is kept. */
  readonly beta2?: number;
  /** Added to the root, after the correction. */
  readonly epsilon?: number;
}

/**
 * m ← beta1·m + (1 − beta1)·g, v ← beta2·v + (1 − beta2)·g², w ← w − learningRate·m̂/(√v̂ + epsilon) with
 * m̂ = m/(1 − beta1^t), v̂ = v/(1 − beta2^t). State: m of every parameter, v of every parameter, then t, a scalar.
 */
export function adam(options: AdamOptions): Optimizer<AdamSpec> {
  const { learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
  const spec: AdamSpec = { name: "adam", learningRate, beta1, beta2, epsilon };
  checkSettings(spec, { learningRate: nonNegative, beta1: fraction, beta2: fraction, epsilon: positive });
  return elementwise(spec, {
    slots: 2,
    countsSteps: true,
    update({ parameter, gradient, slots: [first = gradient, second = gradient], step }) {
      const mean = first.mul(beta1).add(gradient.mul(1 - beta1));
      const meanSquare = second.mul(beta2).add(gradient.mul(gradient).mul(1 - beta2));
      // The corrections are scalars: one division each, not one per element.
      const root = meanSquare.mul(remainder(beta2, step).reciprocal()).sqrt().add(epsilon);
      const rate = remainder(beta1, step).reciprocal().mul(learningRate);
      return { parameter: parameter.sub(mean.mul(rate).div(root)), slots: [mean, meanSquare] };
    },
  });
}

/**
 * 1 − beta^step as −expm1(step·log beta): to the last digit of f32 at the first step, where 1 − pow(beta, step) has lost four,
 * and after millions, where a running product has drifted.
 */
const remainder = (beta: number, step: Tensor): Tensor =>
  beta === 0 ? step.mul(0).add(1) : step.mul(Math.log(beta)).expm1().neg();
