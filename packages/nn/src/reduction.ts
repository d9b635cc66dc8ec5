/** From the losses of elements or examples to one number: the options that all losses share. */
import type { Tensor } from "@weft/tensor";
import { ShapeError, tensor, typeText, where } from "@weft/tensor";
import { ModelError } from "./errors.ts";

export interface LossOptions {
  /** The mean (the default), the sum, or every loss by itself. */
  readonly reduction?: "mean" | "sum" | "none";
  /**
   * A factor for each example, [batch], or each step, [batch, time]. The mean still divides by the number of losses, not by the
   * sum of weights, so that a batch of one keeps its weight.
   */
  readonly weights?: Tensor | readonly number[];
  /** True where a loss counts, [batch] or [batch, time]; others give 0, and the mean is over those that count. */
  readonly mask?: Tensor;
}

/** @param losses [batch, …] */
export function reduced(name: string, losses: Tensor, options: LossOptions): Tensor {
  const { reduction = "mean", weights, mask } = options;
  if (!["mean", "sum", "none"].includes(reduction)) {
    throw new ModelError(`${name}: reduction must be "mean", "sum" or "none", got ${JSON.stringify(reduction)}`);
  }
  const weighted = weights
    ? losses.mul(
        leading(name, "weights", { values: tensor(weights, { dtype: losses.dtype }), losses }).cast(losses.dtype),
      )
    : losses;
  const counted = mask && leading(name, "mask", { values: mask.cast("bool"), losses });
  const kept = counted ? where(counted, weighted, 0) : weighted;
  if (reduction === "none") return kept;
  if (reduction === "sum") return kept.sum();
  if (!counted) return kept.mean();
  const share = losses.size / Math.max(1, counted.size);
  // With nothing to count the loss is 0, not 0/0.
  return kept.sum().div(counted.cast(losses.dtype).sum().mul(share).maximum(1));
}

/** Values for the first axes of the losses, with axes of size 1 for the rest. */
function leading(
  name: string,
  option: string,
  { values, losses }: { readonly values: Tensor; readonly losses: Tensor },
): Tensor {
  if (values.shape.join() !== losses.shape.slice(0, values.rank).join() || values.rank > losses.rank) {
    throw new ShapeError(
      `${name}: ${option} ${typeText(values)} do not belong to losses ${typeText(losses)}; give one for each example, or for ` +
        "each step of each",
    );
  }
  return values.reshape([...values.shape, ...losses.shape.slice(values.rank).map(() => 1)]);
}
