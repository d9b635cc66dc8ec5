/** Activation functions, in forms that neither overflow nor lose their gradient. */
import type { Tensor } from "../graph.ts";
import { abs, add, div, erf, exp, expm1, log1p, mul, neg, reciprocal, sub, tanh } from "./arithmetic.ts";
import { clip, greater, lessEqual, where } from "./compare.ts";
import { inF32 } from "./inF32.ts";
import type { ReduceOptions } from "./reduce.ts";
import { logSumExp, stableShift, sum } from "./reduce.ts";

/** max(x, 0), with gradient 0 at 0; NaN stays NaN. */
export const relu = (x: Tensor): Tensor => where(lessEqual(x, 0), 0, x);
export const relu6 = (x: Tensor): Tensor => clip(x, 0, 6);
/** 1 / (1 + e^-x), by tanh. */
export const sigmoid = (x: Tensor): Tensor => add(mul(tanh(mul(x, 0.5)), 0.5), 0.5);
export const logSigmoid = (x: Tensor): Tensor => neg(softplus(neg(x)));
export const silu = (x: Tensor): Tensor => mul(x, sigmoid(x));
export const mish = (x: Tensor): Tensor => mul(x, tanh(softplus(x)));
export const hardSigmoid = (x: Tensor): Tensor => clip(add(div(x, 6), 0.5), 0, 1);
export const hardSwish = (x: Tensor): Tensor => mul(x, hardSigmoid(x));
export const softsign = (x: Tensor): Tensor => div(x, add(abs(x), 1));

/** x > 0 ? x : slope · x */
export const leakyRelu = (x: Tensor, slope = 0.01): Tensor => where(greater(x, 0), x, mul(x, slope));
/** x > 0 ? x : alpha · (e^x - 1) */
export const elu = (x: Tensor, alpha = 1): Tensor => {
  const positive = greater(x, 0);
  return where(positive, x, mul(expm1(where(positive, 0, x)), alpha));
};
/** The self-normalising constants of Klambauer et al. 2017. */
export const selu = (x: Tensor): Tensor => mul(elu(x, 1.6732632423543772), 1.0507009873554805);

/** log(1 + e^(βx)) / β, for x > 0 as x + log(1 + e^(-βx)) / β; both branches agree in all derivatives at 0. */
export function softplus(x: Tensor, beta = 1): Tensor {
  const scaled = beta === 1 ? x : mul(x, beta);
  const positive = greater(scaled, 0);
  const rest = log1p(exp(where(positive, neg(scaled), scaled)));
  const result = add(where(positive, scaled, 0), rest);
  return beta === 1 ? result : div(result, beta);
}

/** x Φ(x), exactly or by the tanh approximation of Hendrycks and Gimpel 2016. */
export function gelu(x: Tensor, options: { readonly approximate?: "none" | "tanh" } = {}): Tensor {
  const gate =
    options.approximate === "tanh"
      ? tanh(mul(add(x, mul(mul(mul(x, x), x), 0.044715)), Math.sqrt(2 / Math.PI)))
      : erf(mul(x, Math.SQRT1_2));
  return mul(mul(x, 0.5), add(gate, 1));
}

/** e^x / Σ e^x along `axis` (default the last). */
export function softmax(x: Tensor, axis: ReduceOptions["axis"] = -1): Tensor {
  return inF32(x, (wide) => {
    const weights = exp(sub(wide, stableShift(wide, { axis })));
    // One division for each sum, which is at least 1, instead of one for every element.
    return mul(weights, reciprocal(sum(weights, { axis, keepDims: true })));
  });
}

/** x - log Σ e^x along `axis` (default the last). */
export function logSoftmax(x: Tensor, axis: ReduceOptions["axis"] = -1): Tensor {
  return inF32(x, (wide) => sub(wide, logSumExp(wide, { axis, keepDims: true })));
}
