/** What an optimiser is: a pure pair of functions over a list of tensors, named by plain data. */
import type { Tensor } from "@weft/tensor";
import type { OptimizerSpec } from "./spec.ts";

/**
 * A rule that steps parameters along their gradients. Pure: it holds no state of its own, so the same object serves any
 * number of models.
 */
export interface Optimizer<Spec = OptimizerSpec> {
  /** Plain JSON data; `createOptimizer(spec)` makes this optimiser again. */
  readonly spec: Spec;
  /**
   * True when every element is stepped by itself and no name, shape or norm matters: then one flat vector, or any part of it,
   * gives the bits that the tensors of a network give.
   */
  readonly elementwise: boolean;
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
  /** The state with another learning rate in it; only where the learning rate is `adjustable`. See `withLearningRate`. */
  readonly adjust?: (state: readonly Tensor[], learningRate: number) => Tensor[];
}
