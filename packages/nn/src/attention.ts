/** Scaled dot-product attention (Vaswani et al. 2017). */
import type { Tensor } from "@weft/tensor";
import { arange, where } from "@weft/tensor";
import type { TensorFunction } from "./layer.ts";

export interface AttentionOptions {
  /** Query i sees the keys up to i, counted from the first of both. Default false. */
  readonly causal?: boolean;
  /** True where a query may see a key; broadcasts to [batch, heads, queries, keys]. */
  readonly mask?: Tensor;
  /** Applied to the weights, such as dropout. */
  readonly onWeights?: TensorFunction;
}

/**
 * softmax(q·kᵀ / √size)·v. A query that may see nothing gets the mean of all values.
 *
 * @param q [batch, heads, queries, size]
 * @param k [batch, heads, keys, size]
 * @param v [batch, heads, keys, sizeOfValues]
 * @returns [batch, heads, queries, sizeOfValues]
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  const { causal = false, mask, onWeights } = options;
  const [queries = 0, keys = 0] = [q.shape.at(-2), k.shape.at(-2)];
  const products = q.mul(1 / Math.sqrt(q.shape.at(-1) ?? 1)).matmul(k, { transposeB: true });
  // f16 does not reach down to `unseen`.
  let scores = q.dtype === "f16" ? products.cast("f32") : products;
  if (mask) scores = where(mask.cast("bool"), scores, unseen);
  if (causal) scores = where(arange(queries).expandDims(1).greaterEqual(arange(keys)), scores, unseen);
  const weights = scores.softmax().cast(q.dtype);
  return (onWeights ? onWeights(weights) : weights).matmul(v);
}

/** Far below any score, yet finite: a row of nothing else stays a number. */
const unseen = -1e9;
