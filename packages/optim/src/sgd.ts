/** Stochastic gradient descent, with heavy-ball or Nesterov momentum as in Sutskever et al. 2013 (PyTorch's form). */
import { elementwise } from "./elementwise.ts";
import { OptimizerError } from "./errors.ts";
import type { Optimizer } from "./optimizer.ts";
import { checkSettings, fraction, nonNegative } from "./settings.ts";
import type { SgdSpec } from "./spec.ts";

export interface SgdOptions {
  readonly learningRate: number;
  /** Share of the last step's velocity that is kept; 0 for none. */
  readonly momentum?: number;
  /** Looks ahead along the velocity; needs momentum. */
  readonly nesterov?: boolean;
  /** L2 penalty: this times the parameter is added to its gradient. */
  readonly weightDecay?: number;
}

/**
 * With g' = g + weightDecay·w: u ← momentum·u + g', w ← w − learningRate·(u, or g' + momentum·u with Nesterov).
 * State: u for each parameter, or nothing without momentum.
 */
export function sgd(options: SgdOptions): Optimizer<SgdSpec> {
  const { learningRate, momentum = 0, nesterov = false, weightDecay = 0 } = options;
  const spec: SgdSpec = { name: "sgd", learningRate, momentum, nesterov, weightDecay };
  checkSettings(spec, { learningRate: nonNegative, momentum: fraction, weightDecay: nonNegative });
  if (nesterov && momentum === 0) {
    throw new OptimizerError("sgd: nesterov needs momentum; give for example momentum: 0.9, or leave nesterov out");
  }
  return elementwise(spec, {
    slots: momentum > 0 ? 1 : 0,
    countsSteps: false,
    update({ parameter, gradient, slots: [velocity] }) {
      const decayed = weightDecay > 0 ? gradient.add(parameter.mul(weightDecay)) : gradient;
      if (!velocity) return { parameter: parameter.sub(decayed.mul(learningRate)), slots: [] };
      const moved = velocity.mul(momentum).add(decayed);
      const direction = nesterov ? decayed.add(moved.mul(momentum)) : moved;
      return { parameter: parameter.sub(direction.mul(learningRate)), slots: [moved] };
    },
  });
}
