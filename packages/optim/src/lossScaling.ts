/** Loss scaling for gradients that went through f16 (Micikevicius et al. 2018): small ones stay above 0, overflow skips a step. */
import type { Tensor } from "@weft/tensor";
import { scalar, where } from "@weft/tensor";
import { assertMatching, assertState, at } from "./assert.ts";
import type { Optimizer } from "./optimizer.ts";
import type { Range } from "./settings.ts";
import { checkSettings, count, positive } from "./settings.ts";
import type { LossScalingSpec } from "./spec.ts";

export interface LossScalingOptions {
  /** Default 2¹⁵. Powers of two change no digit of a gradient. */
  readonly initialScale?: number;
  /** After this many good steps in a row the scale grows; default 2000. */
  readonly growthInterval?: number;
  /** Default 2; 1 never grows. */
  readonly growthFactor?: number;
  /** Applied when a gradient is not finite; default ½, and 1 keeps the scale as it is. */
  readonly backoffFactor?: number;
}

export interface ScalingOptimizer extends Optimizer<LossScalingSpec> {
  /** What to multiply the loss by before its gradient is taken, f32. */
  scale(state: readonly Tensor[]): Tensor;
}

const atLeastOne: Range = {
  text: "a number of at least 1",
  holds: (value) => typeof value === "number" && value >= 1 && value < Infinity,
};
const atMostOne: Range = {
  text: "a number above 0 and at most 1",
  holds: (value) => typeof value === "number" && value > 0 && value <= 1,
};

/**
 * Takes gradients of `loss · scale(state)`, divides them by the scale and hands them to `optimizer`. When any is infinite or NaN,
 * parameters and the optimiser's state stay as they are and the scale backs off.
 * State: the scale, good steps since it last changed (i32), the state of `optimizer`.
 */
export function lossScaling(optimizer: Optimizer, options: LossScalingOptions = {}): ScalingOptimizer {
  const { initialScale = 2 ** 15, growthInterval = 2000, growthFactor = 2, backoffFactor = 0.5 } = options;
  const name = "lossScaling";
  const settings = { initialScale, growthInterval, growthFactor, backoffFactor };
  const spec: LossScalingSpec = { name, ...settings, optimizer: optimizer.spec };
  const ranges = { growthInterval: count, growthFactor: atLeastOne, backoffFactor: atMostOne };
  checkSettings(spec, { initialScale: positive, ...ranges });
  const init = (parameters: readonly Tensor[]): Tensor[] => [
    scalar(initialScale),
    scalar(0, { dtype: "i32" }),
    ...optimizer.init(parameters),
  ];
  return {
    ...optimizer,
    spec,
    elementwise: false,
    init,
    scale: (state) => at(state),
    update(parameters, gradients, state) {
      assertMatching(name, parameters, gradients);
      assertState(name, { expected: init(parameters), state });
      const [scale, good, before] = [at(state), at(state, 1), state.slice(2)];
      const finite = allFinite(gradients);
      const unscaled = gradients.map((gradient) => gradient.div(scale.cast(gradient.dtype)));
      const after = optimizer.update(parameters, unscaled, before);
      const isFull = good.add(1).greaterEqual(growthInterval);
      const grown = scale.mul(growthFactor);
      const raised = where(isFull.and(grown.less(Infinity)), grown, scale);
      return {
        parameters: after.parameters.map((stepped, i) => where(finite, stepped, at(parameters, i))),
        state: [
          where(finite, raised, scale.mul(backoffFactor)),
          where(finite.and(isFull.not()), good.add(1), 0),
          ...after.state.map((stepped, i) => where(finite, stepped, at(before, i))),
        ],
      };
    },
  };
}

/** Whether no element of any tensor is infinite or NaN: a bool scalar. */
export function allFinite(tensors: readonly Tensor[]): Tensor {
  return tensors.map((x) => x.abs().less(Infinity).all()).reduce((one, other) => one.and(other), scalar(true));
}
