/** Adagrad (Duchi, Hazan and Singer 2011): rates fall with the squared gradients seen so far. */
import { elementwise } from "./elementwise.ts";
import type { Optimizer } from "./optimizer.ts";
import { checkSettings, nonNegative, positive } from "./settings.ts";
import type { AdagradSpec } from "./spec.ts";

export interface AdagradOptions {
  readonly learningRate: number;
  /** Added to the root of the sum. */
  readonly epsilon?: number;
}

/** a ← a + g², w ← w − learningRate·g/(√a + epsilon). State: a for each parameter. */
export function adagrad({ learningRate, epsilon = 1e-10 }: AdagradOptions): Optimizer<AdagradSpec> {
  const spec: AdagradSpec = { name: "adagrad", learningRate, epsilon };
  checkSettings(spec, { learningRate: nonNegative, epsilon: positive });
  return elementwise(spec, {
    slots: 1,
    countsSteps: false,
    update({ parameter, gradient, slots: [sum = gradient] }) {
      const summed = sum.add(gradient.mul(gradient));
      const step = gradient.mul(learningRate).div(summed.sqrt().add(epsilon));
      return { parameter: parameter.sub(step), slots: [summed] };
    },
  });
}
