/**
 * L-BFGS (Liu and Nocedal 1989) without line search: one iteration an update, as torch.optim.LBFGS with max_iter 1 and
 * tolerances of 0. For full-batch
 * problems, whose gradients carry no noise.
 */
import type { Tensor } from "@weft/tensor";
import { concat, full, lift, where, zeros } from "@weft/tensor";
import { assertMatching, assertState, at } from "./assert.ts";
import type { Optimizer } from "./optimizer.ts";
import type { FixedRate } from "./schedule.ts";
import { fixedRate } from "./schedule.ts";
import { scheduleValue } from "./scheduleValue.ts";
import { checkSettings, count } from "./settings.ts";
import type { LbfgsSpec } from "./spec.ts";

export interface LbfgsOptions {
  /** A number, or a schedule of them. */
  readonly learningRate: FixedRate;
  /** Steps that the curvature is estimated from; default 10. The state holds two vectors of the model's size for each. */
  readonly historySize?: number;
}

/** All parameters as one vector, and what is known of its past. */
interface Memory {
  /** [history, size]: changes of the parameters, the newest last. */
  readonly steps: Tensor;
  /** [history, size]: changes of the gradient. */
  readonly changes: Tensor;
  /** [history]: 1 / (step · change); 0 where there is none yet. */
  readonly inverses: Tensor;
  /** Scale of the inverse Hessian that the estimate starts from. */
  readonly scale: Tensor;
  /** [size] */
  readonly gradient: Tensor;
  /** [size]: the last step. */
  readonly step: Tensor;
  /** i32 */
  readonly updates: Tensor;
}

/** State: see `Memory`. */
export function lbfgs(options: LbfgsOptions): Optimizer<LbfgsSpec> {
  const { learningRate, historySize = 10 } = options;
  const spec: LbfgsSpec = { name: "lbfgs", learningRate, historySize };
  checkSettings(spec, { learningRate: fixedRate, historySize: count });
  const init = (parameters: readonly Tensor[]): Tensor[] => {
    const size = parameters.reduce((total, parameter) => total + parameter.size, 0);
    const type = { dtype: parameters[0]?.dtype ?? "f32" } as const;
    const history = zeros([historySize, size], type);
    const vectors = [zeros([size], type), zeros([size], type)];
    return [history, history, zeros([historySize], type), full([], 1, type), ...vectors, zeros([], { dtype: "i32" })];
  };
  return {
    spec,
    elementwise: false,
    init,
    update(parameters, gradients, state) {
      assertMatching(spec.name, parameters, gradients);
      assertState(spec.name, { expected: init(parameters), state });
      if (parameters.length === 0) return { parameters: [], state: [...state] };
      const gradient = concat(gradients.map((each) => each.reshape([-1])));
      const before = memoryOf(state);
      const rate =
        typeof learningRate === "number"
          ? lift(learningRate, gradient.dtype)
          : scheduleValue(learningRate, { updates: before.updates, dtype: gradient.dtype });
      const known = remember(before, gradient);
      const first = before.updates.equal(0);
      const direction = where(first, gradient.neg(), descent(known, gradient));
      const length = where(first, gradient.abs().sum().reciprocal().minimum(1).mul(rate), rate);
      const step = direction.mul(length);
      let start = 0;
      const next = parameters.map((parameter) =>
        parameter.add(step.slice([start], [(start += parameter.size)]).reshape(parameter.shape)),
      );
      return { parameters: next, state: listOf({ ...known, gradient, step, updates: before.updates.add(1) }) };
    },
  };
}

/** Takes in the last step and what it did to the gradient, where the curvature along it is positive. */
function remember(memory: Memory, gradient: Tensor): Memory {
  const change = gradient.sub(memory.gradient);
  const curvature = change.mul(memory.step).sum();
  const accepted = memory.updates.greater(0).and(curvature.greater(1e-10));
  const pushed = (rows: Tensor, row: Tensor) =>
    where(accepted, concat([rows.slice([1]), row.reshape([1, ...rows.shape.slice(1)])]), rows);
  return {
    ...memory,
    steps: pushed(memory.steps, memory.step),
    changes: pushed(memory.changes, change),
    inverses: pushed(memory.inverses, curvature.reciprocal()),
    scale: where(accepted, curvature.div(change.mul(change).sum()), memory.scale),
  };
}

/** Minus the inverse Hessian times the gradient: the two-loop recursion. Empty places of the history add nothing. */
function descent({ steps, changes, inverses, scale }: Memory, gradient: Tensor): Tensor {
  const history = inverses.size;
  const shares: Tensor[] = [];
  let direction = gradient.neg();
  for (let i = history - 1; i >= 0; i--) {
    const share = steps.at(i).mul(direction).sum().mul(inverses.at(i));
    shares[i] = share;
    direction = direction.sub(changes.at(i).mul(share));
  }
  direction = direction.mul(scale);
  for (let i = 0; i < history; i++) {
    const share = changes.at(i).mul(direction).sum().mul(inverses.at(i));
    direction = direction.add(steps.at(i).mul(at(shares, i).sub(share)));
  }
  return direction;
}

const listOf = ({ steps, changes, inverses, scale, gradient, step, updates }: Memory): Tensor[] => [
  steps,
  changes,
  inverses,
  scale,
  gradient,
  step,
  updates,
];

const memoryOf = (state: readonly Tensor[]): Memory => ({
  steps: at(state, 0),
  changes: at(state, 1),
  inverses: at(state, 2),
  scale: at(state, 3),
  gradient: at(state, 4),
  step: at(state, 5),
  updates: at(state, 6),
});
