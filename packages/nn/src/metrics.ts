/** Metrics: each takes predictions and targets and gives the mean over all examples, a scalar. */
import type { Tensor } from "@weft/tensor";
import { areLabels, matched } from "./targets.ts";

/**
 * Share of examples whose most likely class is the target. Targets are labels i32 [batch], or one-hot of the shape of the
 * predictions. With a single output per example (a logit) this is `binaryAccuracy`.
 */
export function accuracy(predictions: Tensor, targets: Tensor): Tensor {
  const classes = predictions.rank > 1 ? (predictions.shape.at(-1) ?? 1) : 1;
  if (classes === 1) return binaryAccuracy(predictions, targets);
  const labels = areLabels(predictions, targets)
    ? targets.cast("i32")
    : matched("accuracy", predictions, targets).argmax({ axis: -1 });
  return predictions.argmax({ axis: -1 }).equal(labels).mean();
}

/** Share of logits whose sign agrees with their target: above 0 for targets above ½. */
export function binaryAccuracy(logits: Tensor, targets: Tensor): Tensor {
  return logits
    .greater(0)
    .equal(matched("binaryAccuracy", logits, targets).greater(0.5))
    .mean();
}

/** Mean of |prediction − target| over all elements. */
export function meanAbsoluteError(predictions: Tensor, targets: Tensor): Tensor {
  return predictions
    .sub(matched("meanAbsoluteError", predictions, targets))
    .abs()
    .mean();
}
