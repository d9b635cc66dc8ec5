/** Stochastic gradient descent, with heavy-ball or Nesterov momentum as in Sutskever et al. 2013 (PyTorch's form). */
import { full, where } from "@weft/tensor";
import type { DecayOptions } from "./decay.ts";
import { decayRanges } from "./decay.ts";
import { OptimizerError } from "./errors.ts";
import type { Optimizer } from "./optimizer.ts";
import { perParameter } from "./perParameter.ts";
import { checkSettings, flag, fraction } from "./settings.ts";
import type { SgdSpec } from "./spec.ts";

export interface SgdOptions extends DecayOptions {
  /** Share of the last step's velocity that is kept; 0 for none. */
  readonly momentum?: number;
  /** Share of a gradient that does not enter the velocity, the first gradient excepted; default 0. */
  readonly dampening?: number;
  /** Looks ahead along the velocity; needs momentum. */
  readonly nesterov?: boolean;
}

/**
 * u ← momentum·u + (1 − dampening)·g, w ← w − learningRate·(u, or g + momentum·u with Nesterov); the first u is g.
 * State: u for each parameter, or nothing without momentum.
 */
export function sgd(options: SgdOptions): Optimizer<SgdSpec> {
  const { learningRate, momentum = 0, dampening = 0, nesterov = false } = options;
  const { weightDecay = 0, decoupledDecay = false } = options;
  const spec: SgdSpec = { name: "sgd", learningRate, momentum, dampening, nesterov, weightDecay, decoupledDecay };
  checkSettings(spec, { ...decayRanges, momentum: fraction, dampening: fraction, nesterov: flag });
  if (nesterov && momentum === 0) {
    throw new OptimizerError("sgd: nesterov needs momentum; give for example momentum: 0.9, or leave nesterov out");
  }
  if (dampening > 0 && (nesterov || momentum === 0)) {
    throw new OptimizerError("sgd: dampening needs momentum without nesterov; leave dampening out");
  }
  return perParameter(spec, {
    slots: momentum > 0 ? [0] : [],
    countsSteps: dampening > 0,
    update({ parameter, gradient, slots: [velocity], learningRate: rate, step }) {
      if (!velocity) return { parameter: parameter.sub(gradient.mul(rate)), slots: [] };
      const entering =
        dampening > 0
          ? gradient.mul(where(step.equal(1), 1, full([], 1 - dampening, { dtype: gradient.dtype })))
          : gradient;
      const moved = velocity.mul(momentum).add(entering);
      const direction = nesterov ? gradient.add(moved.mul(momentum)) : moved;
      return { parameter: parameter.sub(direction.mul(rate)), slots: [moved] };
    },
  });
}
