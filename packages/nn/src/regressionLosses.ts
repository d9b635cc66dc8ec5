/** Losses of numbers and directions: (predictions, targets, options) → the mean over all elements, unless told otherwise. */
import type { Tensor } from "@weft/tensor";
import { where } from "@weft/tensor";
import { ModelError } from "./errors.ts";
import type { LossOptions } from "./reduction.ts";
import { reduced } from "./reduction.ts";
import { forLoss, matched } from "./targets.ts";

/** (prediction − target)² */
export function meanSquaredError(predictions: Tensor, targets: Tensor, options: LossOptions = {}): Tensor {
  const difference = differenceOf("meanSquaredError", predictions, targets);
  return reduced("meanSquaredError", difference.mul(difference), options);
}

/** |prediction − target| */
export function meanAbsoluteError(predictions: Tensor, targets: Tensor, options: LossOptions = {}): Tensor {
  const difference = differenceOf("meanAbsoluteError", predictions, targets);
  return reduced("meanAbsoluteError", difference.abs(), options);
}

export interface HuberOptions extends LossOptions {
  /** Where the square turns into a straight line; default 1. */
  readonly delta?: number;
}

/** d²/2 for distances d up to delta, delta·(d − delta/2) beyond: outliers pull no harder than that (Huber 1964). */
export function huber(predictions: Tensor, targets: Tensor, options: HuberOptions = {}): Tensor {
  const { delta = 1 } = options;
  if (!(delta > 0)) throw new ModelError(`huber: delta must be above 0, got ${delta}; it is a distance`);
  const difference = differenceOf("huber", predictions, targets);
  const distance = difference.abs();
  const near = difference.mul(difference).mul(0.5);
  const far = distance.sub(delta / 2).mul(delta);
  return reduced("huber", where(distance.lessEqual(delta), near, far), options);
}

/** max(0, 1 − target·prediction), for targets −1 and 1 (0 counts as −1): the loss of support vector machines. */
export function hinge(predictions: Tensor, targets: Tensor, options: LossOptions = {}): Tensor {
  const positive = matched("hinge", predictions, targets).greater(0);
  const given = forLoss(predictions);
  const margin = where(positive, given, given.neg());
  return reduced("hinge", margin.neg().add(1).relu(), options);
}

/** Cosine of the angle between vectors along the last axis: a·b / (|a|·|b|), 0 where one of them is 0. */
export function cosineSimilarity(a: Tensor, b: Tensor): Tensor {
  const lengths = a.norm({ axis: -1 }).mul(b.norm({ axis: -1 }));
  return a.mul(b).sum({ axis: -1 }).div(lengths.maximum(1e-8));
}

/** 1 − the cosine between prediction and target, along the last axis: 0 for the same direction, 2 for the opposite. */
export function cosineDistance(predictions: Tensor, targets: Tensor, options: LossOptions = {}): Tensor {
  const given = forLoss(predictions);
  const similarity = cosineSimilarity(given, matched("cosineDistance", given, targets));
  return reduced("cosineDistance", similarity.neg().add(1), options);
}

function differenceOf(name: string, predictions: Tensor, targets: Tensor): Tensor {
  const given = forLoss(predictions);
  return given.sub(matched(name, given, targets));
}
