/** RMSprop (Tieleman and Hinton 2012), with Graves' centred form and momentum as PyTorch has them; no bias correction. */
import type { DecayOptions } from "./decay.ts";
import { decayRanges } from "./decay.ts";
import { average } from "./means.ts";
import type { Optimizer } from "./optimizer.ts";
import { perParameter } from "./perParameter.ts";
import { checkSettings, flag, fraction, positive } from "./settings.ts";
import type { RmspropSpec } from "./spec.ts";

export interface RmspropOptions extends DecayOptions {
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
  const { weightDecay = 0, decoupledDecay = false } = options;
  const own = { decay, epsilon, momentum, centered };
  const spec: RmspropSpec = { name: "rmsprop", learningRate, ...own, weightDecay, decoupledDecay };
  checkSettings(spec, { ...decayRanges, decay: fraction, epsilon: positive, momentum: fraction, centered: flag });
  return perParameter(spec, {
    slots: [0, ...(centered ? [0] : []), ...(momentum > 0 ? [0] : [])],
    update({
      parameter,
      gradient,
      slots: [squares = gradient, second = gradient, third = second],
      learningRate: rate,
    }) {
      const meanSquare = average(squares, gradient.mul(gradient), decay);
      const mean = centered ? average(second, gradient, decay) : undefined;
      // Rounding can leave the variance a little below zero.
      const spread = mean ? meanSquare.sub(mean.mul(mean)).maximum(0) : meanSquare;
      const change = gradient.div(spread.sqrt().add(epsilon));
      const velocity = momentum > 0 ? (centered ? third : second).mul(momentum).add(change) : undefined;
      return {
        parameter: parameter.sub((velocity ?? change).mul(rate)),
        slots: [meanSquare, ...(mean ? [mean] : []), ...(velocity ? [velocity] : [])],
      };
    },
  });
}
