/** Brings targets to the predictions that they belong to. */
import type { Tensor } from "@weft/tensor";
import { ShapeError, typeText } from "@weft/tensor";

/** Losses are f32 also where predictions are f16: squares and sums would leave its range. */
export const forLoss = (predictions: Tensor): Tensor =>
  predictions.dtype === "f16" ? predictions.cast("f32") : predictions;

/**
 * Targets in the shape and dtype of the predictions. A last axis of size 1 may be there or not: [batch] fits [batch, 1].
 *
 * @throws {ShapeError} for any other difference, which broadcasting would turn into a wrong mean
 */
export function matched(name: string, predictions: Tensor, targets: Tensor): Tensor {
  if (withoutLastOne(predictions) !== withoutLastOne(targets)) {
    throw new ShapeError(
      `${name}: predictions ${typeText(predictions)} and targets ${typeText(targets)} differ; ` +
        "give one target for each prediction",
    );
  }
  return targets.reshape(predictions.shape).cast(predictions.dtype);
}

const withoutLastOne = ({ shape }: Tensor) =>
  (shape.length > 1 && shape.at(-1) === 1 ? shape.slice(0, -1) : shape).join();

/** True when targets name a class for each row of the predictions, rather than a number for each prediction. */
export function areLabels(predictions: Tensor, targets: Tensor): boolean {
  const integral = targets.dtype === "i32" || targets.dtype === "u32";
  return integral && targets.shape.join() === predictions.shape.slice(0, -1).join();
}
