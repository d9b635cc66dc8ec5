/** What an optimiser is: a pure pair of functions over a list of tensors, named by plain data. */
import type { Tensor } from "@weft/tensor";
import type { OptimizerSpec } from "./spec.ts";

/**
 * A rule that steps parameters along their gradients. Pure: it holds no state of its own, so the same object serves any
 * number of models. The tensors may be the parameters of a network or one flat vector; every rule here works element by
 * element, and both give the same bits.
 */
export interface Optimizer<Spec extends OptimizerSpec = OptimizerSpec> {
  /** Plain JSON data; `createOptimizer(spec)` makes this optimiser again. */
  readonly spec: Spec;
  /** The state before the first update. Which tensors these are is the optimiser's own affair; keep their order. */
  init(parameters: readonly Tensor[]): Tensor[];
  /**
   * One step.
   *
   * @param gradients one for each parameter, of its shape
   * @param state what `init` or the last `update` gave
   */
  update(
    parameters: readonly Tensor[],
    gradients: readonly Tensor[],
    state: readonly Tensor[],
  ): { parameters: Tensor[]; state: Tensor[] };
}
