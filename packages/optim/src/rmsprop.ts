/** RMSprop (Tieleman and Hinton 2012), with Graves' centred form and momentum as PyTorch has them; no bias correction. */
import type { Tensor } from "@weft/tensor";
import { elementwise } from "./elementwise.ts";
import type { Optimizer } from "./optimizer.ts";
import { checkSettings, fraction, nonNegative, positive } from "./settings.ts";
import type { RmspropSpec } from "./spec.ts";

export interface RmspropOptions {
  readonly learningRate: number;
  /** Share of the running mean of squares that is kept. */
  readonly decay?: number;
  /** Added to the root. */
  readonly epsilon?: number;
  /** Share of the last step that is kept; 0 for none. */
  readonly momentum?: number;
  /** Divides by the standard deviation of the gradient instead of its root mean square. */
  readonly centered?: boolean;
}

/**
 * v ← decay·v + (1 − decay)·g², d = g/(√v + epsilon), w ← w − learningRate·d. Centred: also ḡ ← decay·ḡ + (1 − decay)·g,
 * and v − ḡ² under the root. With momentum: u ← momentum·u + d, w ← w − learningRate·u.
 * State: v, then ḡ if centred, then u with momentum.
 */
export function rmsprop(options: RmspropOptions): Optimizer<RmspropSpec> {
  const { learningRate, decay = 0.99, epsilon = 1e-8, momentum = 0, centered = false } = options;
  const spec: RmspropSpec = { name: "rmsprop", learningRate, decay, epsilon, momentum, centered };
  checkSettings(spec, { learningRate: nonNegative, decay: fraction, epsilon: positive, momentum: fraction });
  const average = (mean: Tensor, value: Tensor) => mean.mul(decay).add(value.mul(1 - decay));
  return elementwise(spec, {
    slots: 1 + (centered ? 1 : 0) + (momentum > 0 ? 1 : 0),
    countsSteps: false,
    update({ parameter, gradient, slots: [squares = gradient, second = gradient, third = second] }) {
      const meanSquare = average(squares, gradient.mul(gradient));
      const mean = centered ? average(second, gradient) : undefined;
      // Rounding can leave the variance a little below zero.
      const spread = mean ? meanSquare.sub(mean.mul(mean)).maximum(0) : meanSquare;
      const step = gradient.div(spread.sqrt().add(epsilon));
      const velocity = momentum > 0 ? (centered ? third : second).mul(momentum).add(step) : undefined;
      return {
        parameter: parameter.sub((velocity ?? step).mul(learningRate)),
        slots: [meanSquare, ...(mean ? [mean] : []), ...(velocity ? [velocity] : [])],
      };
    },
  });
}
