/** Losses of probabilities, in nats, computed from logits so that large values do not overflow. */
import type { Tensor } from "@weft/tensor";
import { ShapeError, oneHot, tensor, typeText, where } from "@weft/tensor";
import { ModelError } from "./errors.ts";
import type { LossOptions } from "./reduction.ts";
import { reduced } from "./reduction.ts";
import { areLabels, forLoss, matched } from "./targets.ts";

export interface BinaryCrossEntropyOptions extends LossOptions {
  /** Factor of the loss of positive targets: one, or one for each of the last axis. Default 1. */
  readonly positiveWeight?: Tensor | number | readonly number[];
  /** Targets move this share of the way to ½; default 0. */
  readonly labelSmoothing?: number;
}

/**
 * Cross-entropy of independent yes-or-no answers.
 *
 * @param predictions logits
 * @param targets in 0..1, of the shape of the logits
 */
export function binaryCrossEntropy(
  predictions: Tensor,
  targets: Tensor,
  options: BinaryCrossEntropyOptions = {},
): Tensor {
  const logits = forLoss(predictions);
  const { positiveWeight = 1, labelSmoothing: smoothing = 0 } = options;
  checkSmoothing("binaryCrossEntropy", smoothing);
  const given = matched("binaryCrossEntropy", logits, targets);
  const wanted = smoothing > 0 ? given.mul(1 - smoothing).add(smoothing / 2) : given;
  const positive =
    positiveWeight === 1 ? wanted : wanted.mul(tensor(positiveWeight, { dtype: logits.dtype }).cast(logits.dtype));
  const total = positiveWeight === 1 ? undefined : positive.sub(wanted).add(1);
  // total·softplus(x) − x·positive, with max(x, 0) written as (x + |x|) / 2, whose gradient at 0 is the true one.
  const magnitude = logits.abs();
  const rest = magnitude.mul(0.5).add(magnitude.neg().exp().log1p());
  const linear = logits.mul(total ? total.mul(0.5).sub(positive) : positive.neg().add(0.5));
  return reduced("binaryCrossEntropy", linear.add(total ? rest.mul(total) : rest), options);
}

export interface SoftmaxCrossEntropyOptions extends LossOptions {
  /** Targets move this share of the way to even odds (Szegedy et al. 2016); default 0. */
  readonly labelSmoothing?: number;
  /** A factor for each class, [classes]; the mean still divides by the number of examples. */
  readonly classWeights?: Tensor | readonly number[];
  /** Examples, or steps, with this label do not count, as with a mask. */
  readonly ignoreIndex?: number;
}

/**
 * Softmax cross-entropy.
 *
 * @param predictions logits [batch, classes], or [batch, time, classes]
 * @param targets labels i32 [batch] (or [batch, time]) in 0..classes−1, or probabilities of the shape of the logits
 * @returns the mean over examples and steps, unless told otherwise
 * @throws {ShapeError} when they do not belong together
 */
export function softmaxCrossEntropy(
  predictions: Tensor,
  targets: Tensor,
  options: SoftmaxCrossEntropyOptions = {},
): Tensor {
  const logits = forLoss(predictions);
  const { labelSmoothing: smoothing = 0, classWeights, ignoreIndex } = options;
  checkSmoothing("softmaxCrossEntropy", smoothing);
  const labels = expectTargets(logits, targets);
  const classes = logits.shape.at(-1) ?? 0;
  const exact = labels ? oneHot(labels, classes, { dtype: logits.dtype }) : targets.cast(logits.dtype);
  const smoothed = smoothing > 0 ? exact.mul(1 - smoothing).add(smoothing / classes) : exact;
  const wanted = classWeights ? smoothed.mul(weightsOf(classWeights, logits)) : smoothed;
  const shifted = logits.sub(logits.max({ axis: -1, keepDims: true }).stopGradient());
  const logSum = shifted.exp().sum({ axis: -1 }).log();
  const chosen = shifted.mul(wanted).sum({ axis: -1 });
  // The probabilities of labels add up to 1 by themselves.
  const total = labels && !classWeights ? logSum : logSum.mul(wanted.sum({ axis: -1 }));
  const losses = total.sub(chosen);
  if (ignoreIndex === undefined) return reduced("softmaxCrossEntropy", losses, options);
  const kept = labels?.notEqual(ignoreIndex) ?? ignoredProbabilities(targets);
  const mask = options.mask ? options.mask.cast("bool").and(kept) : kept;
  return reduced("softmaxCrossEntropy", losses, { ...options, mask });
}

export interface KlDivergenceOptions extends LossOptions {
  /** True when targets are log-probabilities too. Default false. */
  readonly logTargets?: boolean;
}

/**
 * Kullback–Leibler divergence of the targets from the predictions, Σ p·(log p − log q), in nats.
 *
 * @param logProbabilities log q [batch, …, classes]: end the model with `logSoftmax`
 * @param targets p of the same shape
 * @returns the mean over the batch, each example's divergence being the sum over its other axes
 */
export function klDivergence(logProbabilities: Tensor, targets: Tensor, options: KlDivergenceOptions = {}): Tensor {
  const logQ = forLoss(logProbabilities);
  const given = matched("klDivergence", logQ, targets);
  const present = options.logTargets ? undefined : given.greater(0);
  const p = present ? given : given.exp();
  // p·log p is 0 at p = 0, also for the gradient.
  const logP = present ? where(present, given, 1).log() : given;
  const terms = p.mul(logP.sub(logQ));
  const axis = terms.shape.flatMap((_, i) => (i === 0 ? [] : [i]));
  return reduced("klDivergence", terms.sum({ axis }), options);
}

/** Labels as i32, or nothing when targets are probabilities. */
function expectTargets(logits: Tensor, targets: Tensor): Tensor | undefined {
  if (logits.rank > 0 && areLabels(logits, targets)) return targets.cast("i32");
  if (targets.shape.join() === logits.shape.join() && logits.rank > 0) return undefined;
  throw new ShapeError(
    `softmaxCrossEntropy: expected labels i32[${logits.shape.slice(0, -1).join()}] or probabilities ` +
      `f32[${logits.shape.join()}] for logits ${typeText(logits)}, got ${typeText(targets)}; ` +
      "cast labels to i32 and drop axes of size 1",
  );
}

function weightsOf(classWeights: Tensor | readonly number[], logits: Tensor): Tensor {
  const weights = tensor(classWeights, { dtype: logits.dtype }).cast(logits.dtype);
  if (weights.shape.join() === String(logits.shape.at(-1))) return weights;
  throw new ShapeError(
    `softmaxCrossEntropy: expected classWeights [${logits.shape.at(-1) ?? 0}], one for each class, got ${typeText(weights)}; ` +
      "for weights of examples use weights",
  );
}

function ignoredProbabilities(targets: Tensor): never {
  throw new ModelError(
    `softmaxCrossEntropy: ignoreIndex needs labels, got probabilities ${typeText(targets)}; use mask instead`,
  );
}

function checkSmoothing(name: string, smoothing: number): void {
  if (smoothing >= 0 && smoothing < 1) return;
  throw new ModelError(`${name}: labelSmoothing must be at least 0 and below 1, got ${smoothing}; 0.1 is usual`);
}
