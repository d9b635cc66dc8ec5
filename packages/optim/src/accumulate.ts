/** Gradients gathered over several calls before one step, as if their batches had been one. */
import type { Tensor } from "@weft/tensor";
import { where, zeros } from "@weft/tensor";
import { assertMatching, assertState, at } from "./assert.ts";
import type { Optimizer } from "./optimizer.ts";
import { checkSettings, count } from "./settings.ts";
import type { AccumulateSpec } from "./spec.ts";

/**
 * Every `steps`-th update steps along the mean of the gradients since the last; the others leave parameters and state of
 * `optimizer` as they are. State: a sum for each parameter, the number of gradients in it (i32), the state of `optimizer`.
 */
export function accumulate(optimizer: Optimizer, steps: number): Optimizer<AccumulateSpec> {
  const spec: AccumulateSpec = { name: "accumulate", steps, optimizer: optimizer.spec };
  checkSettings(spec, { steps: count });
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
      assertMatching(spec.name, parameters, gradients);
      assertState(spec.name, { expected: init(parameters), state });
      const width = parameters.length;
      const gathered = at(state, width).add(1);
      const full = gathered.equal(steps);
      const sums = gradients.map((gradient, i) => at(state, i).add(gradient));
      const before = state.slice(width + 1);
      const after = optimizer.update(
        parameters,
        sums.map((sum) => sum.mul(1 / steps)),
        before,
      );
      return {
        parameters: after.parameters.map((stepped, i) => where(full, stepped, at(parameters, i))),
        state: [
          ...sums.map((sum) => where(full, 0, sum)),
          where(full, 0, gathered),
          ...after.state.map((stepped, i) => where(full, stepped, at(before, i))),
        ],
      };
    },
  };
}
