/** One step of training, compiled: the gradient of a loss by named parameters, and the optimiser's move along it. */
import type { Parameters } from "@weft/nn";
import type { Optimizer } from "@weft/optim";
import type { Tensor } from "@weft/tensor";
import { compile, valueAndGrad } from "@weft/tensor";

/** What goes from step to step. */
export interface Training {
  readonly parameters: Parameters;
  /** The optimiser's. */
  readonly state: readonly Tensor[];
}

/** The beginning: parameters as they were initialised, and a fresh state. */
export const startTraining = (parameters: Parameters, optimizer: Optimizer): Training => ({
  parameters,
  state: optimizer.init(listed(parameters)),
});

/**
 * A step takes the training so far and a batch, and gives the training after it with the loss before it. The memory of what
 * it is given is used again for what it gives.
 */
export function trainStep<Batch extends unknown[]>(
  optimizer: Optimizer,
  loss: (parameters: Parameters, ...batch: Batch) => Tensor,
): (training: Training, ...batch: Batch) => readonly [Training, loss: Tensor] {
  return compile(
    ({ parameters, state }: Training, ...batch: Batch) => {
      const [value, gradients] = valueAndGrad(loss)(parameters, ...batch);
      const next = optimizer.update(listed(parameters), listed(gradients), state);
      return [{ parameters: named(parameters, next.parameters), state: next.state }, value] as const;
    },
    { donate: [0] },
  );
}

/** Optimisers know parameters by their place in a list, here that of their names in alphabetical order. */
const listed = (parameters: Parameters): Tensor[] =>
  Object.entries(parameters)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, value]) => value);

function named(parameters: Parameters, values: readonly Tensor[]): Parameters {
  const names = Object.keys(parameters).sort();
  return Object.fromEntries(values.map((value, i) => [names[i] ?? "", value]));
}
