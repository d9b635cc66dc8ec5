/** Metrics for jobs: each takes predictions and targets and gives the mean over all examples, a scalar. */
import type { Tensor } from "@weft/tensor";
import { arange, oneHot, where } from "@weft/tensor";
import { checkCount } from "./settings.ts";
import { areLabels, matched } from "./targets.ts";

/**
 * Share of examples whose most likely class is the target. Targets are labels i32 [batch], or one-hot of the shape of the
 * predictions. With a single output per example (a logit) this is `binaryAccuracy`.
 */
export function accuracy(predictions: Tensor, targets: Tensor): Tensor {
  const classes = predictions.rank > 1 ? (predictions.shape.at(-1) ?? 1) : 1;
  if (classes === 1) return binaryAccuracy(predictions, targets);
  return predictions
    .argmax({ axis: -1 })
    .equal(labelsOf("accuracy", predictions, targets))
    .mean();
}

/** Share of examples whose target is among the k most likely classes: `metrics: { top5: topKAccuracy({ k: 5 }) }`. */
export function topKAccuracy({ k }: { readonly k: number }): (predictions: Tensor, targets: Tensor) => Tensor {
  checkCount("topKAccuracy", "k", k);
  return (predictions, targets) => {
    const labels = labelsOf("topKAccuracy", predictions, targets);
    const classes = predictions.shape.at(-1) ?? 1;
    const isOwn = oneHot(labels, classes, { dtype: "bool" });
    const own = where(isOwn, predictions, 0).sum({ axis: -1, keepDims: true });
    // Of equal scores the first is ahead, as in argmax.
    const earlier = arange(classes).less(labels.expandDims(-1));
    const ahead = predictions.greater(own).or(predictions.equal(own).and(earlier));
    return ahead.sum({ axis: -1 }).less(k).mean();
  };
}

/** Share of logits whose sign agrees with their target: above 0 for targets above ½. */
export function binaryAccuracy(logits: Tensor, targets: Tensor): Tensor {
  return logits
    .greater(0)
    .equal(matched("binaryAccuracy", logits, targets).greater(0.5))
    .mean();
}

const labelsOf = (name: string, predictions: Tensor, targets: Tensor) =>
  areLabels(predictions, targets) ? targets.cast("i32") : matched(name, predictions, targets).argmax({ axis: -1 });
