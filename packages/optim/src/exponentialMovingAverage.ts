/** A moving average of the weights beside the weights themselves: smoother, and often better on the test set (Polyak averaging). */
import type { Tensor } from "@weft/tensor";
import { where, zeros } from "@weft/tensor";
import { assertState, at } from "./assert.ts";
import { average, remainder } from "./means.ts";
import type { Optimizer } from "./optimizer.ts";
import { checkSettings, fraction } from "./settings.ts";
import type { AverageSpec } from "./spec.ts";

export interface AveragingOptimizer extends Optimizer<AverageSpec> {
  /** The averaged weights; before the first update, `parameters` as they are. */
  averaged(parameters: readonly Tensor[], state: readonly Tensor[]): Tensor[];
}

/**
 * a ← decay·a + (1 − decay)·w after every update. It starts at zero and is corrected for that as Adam's means are, so the
 * average after one update is those weights, and those before training weigh nothing.
 * State: a for each parameter, the number of updates (i32), the state of `optimizer`.
 */
export function exponentialMovingAverage(
  optimizer: Optimizer,
  { decay = 0.999 }: { readonly decay?: number } = {},
): AveragingOptimizer {
  const spec: AverageSpec = { name: "exponentialMovingAverage", decay, optimizer: optimizer.spec };
  checkSettings(spec, { decay: fraction });
  const init = (parameters: readonly Tensor[]): Tensor[] => [
    ...parameters.map(({ shape, dtype }) => zeros(shape, { dtype })),
    zeros([], { dtype: "i32" }),
    ...optimizer.init(parameters),
  ];
  return {
    ...optimizer,
    spec,
    init,
    update(parameters, gradients, state) {
      assertState(spec.name, { expected: init(parameters), state });
      const width = parameters.length;
      const after = optimizer.update(parameters, gradients, state.slice(width + 1));
      const averages = after.parameters.map((parameter, i) => average(at(state, i), parameter, decay));
      return {
        parameters: after.parameters,
        state: [...averages, at(state, width).add(1), ...after.state],
      };
    },
    averaged(parameters, state) {
      assertState(spec.name, { expected: init(parameters), state });
      const updates = at(state, parameters.length);
      return parameters.map((parameter, i) => {
        const correction = remainder(decay, updates.maximum(1).cast(parameter.dtype)).reciprocal();
        return where(updates.equal(0), parameter, at(state, i).mul(correction));
      });
    },
  };
}
