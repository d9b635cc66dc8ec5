/** Losses: each takes predictions and targets and gives the mean over all examples, a scalar. */
import type { Tensor } from "@weft/tensor";
import { ShapeError, oneHot, typeText } from "@weft/tensor";
import { areLabels, matched } from "./targets.ts";

/** Mean of (prediction − target)² over all elements. */
export function meanSquaredError(predictions: Tensor, targets: Tensor): Tensor {
  const difference = predictions.sub(matched("meanSquaredError", predictions, targets));
  return difference.mul(difference).mean();
}

/**
 * Mean cross-entropy of independent yes-or-no answers, in nats, computed from logits so that large values do not overflow.
 *
 * @param targets in 0..1, of the shape of the logits
 */
export function binaryCrossEntropy(logits: Tensor, targets: Tensor): Tensor {
  const wanted = matched("binaryCrossEntropy", logits, targets);
  // softplus(x) − x·t, with max(x, 0) written as (x + |x|) / 2, whose gradient at 0 is the true one.
  const magnitude = logits.abs();
  const linear = logits.mul(wanted.neg().add(0.5)).add(magnitude.mul(0.5));
  return linear.add(magnitude.neg().exp().log1p()).mean();
}

/**
 * Mean softmax cross-entropy in nats, computed from logits so that large values do not overflow.
 *
 * @param logits [batch, classes], or [batch, time, classes]
 * @param targets labels i32 [batch] (or [batch, time]) in 0..classes−1, or probabilities of the shape of the logits
 * @throws {ShapeError} when they do not belong together
 */
export function softmaxCrossEntropy(logits: Tensor, targets: Tensor): Tensor {
  const labels = logits.rank > 0 && areLabels(logits, targets);
  if (!labels && targets.shape.join() !== logits.shape.join()) {
    throw new ShapeError(
      `softmaxCrossEntropy: expected labels i32[${logits.shape.slice(0, -1).join()}] or probabilities ` +
        `f32[${logits.shape.join()}] for logits ${typeText(logits)}, got ${typeText(targets)}; ` +
        "cast labels to i32 and drop axes of size 1",
    );
  }
  const classes = logits.shape.at(-1) ?? 0;
  const probabilities = labels ? oneHot(targets, classes, { dtype: logits.dtype }) : targets.cast(logits.dtype);
  // The loss does not depend on the shift, so it is kept out of the backward pass.
  const shifted = logits.sub(logits.max({ axis: -1, keepDims: true }).stopGradient());
  const logSum = shifted.exp().sum({ axis: -1 }).log();
  const chosen = shifted.mul(probabilities).sum({ axis: -1 });
  return (labels ? logSum : logSum.mul(probabilities.sum({ axis: -1 }))).sub(chosen).mean();
}
