/**
 * How far so many local steps carry a model: the weight ‖a‖₁ that the gradients of a worker's steps have in its change, in
 * units of the learning rate (Wang et al. 2020, "Tackling the objective inconsistency problem", section 4). Coordinator and
 * worker both compute it, so that neither need believe the other.
 */
import type { LocalJobWork } from "./round.ts";

/** Local steps of an order over so many examples. */
export function stepsOf(
  order: { readonly epochs?: number | undefined; readonly steps?: number | undefined; readonly batchSize: number },
  examples: number,
): number {
  const { epochs = 0, steps = epochs * Math.ceil(examples / order.batchSize) } = order;
  return steps;
}

/** ‖a‖₁ of `steps` steps: their number for plain sgd, more with momentum, less with a proximal pull. */
export function effortOf({ optimizer, proximal }: LocalJobWork, steps: number): number {
  const { learningRate = 0, momentum = 0 } = optimizer;
  if (typeof momentum === "number" && momentum > 0) {
    return (steps - (momentum * (1 - momentum ** steps)) / (1 - momentum)) / (1 - momentum);
  }
  if (proximal === undefined || typeof learningRate !== "number") return steps;
  const kept = 1 - learningRate * proximal;
  return kept === 1 ? steps : (1 - kept ** steps) / (1 - kept);
}
