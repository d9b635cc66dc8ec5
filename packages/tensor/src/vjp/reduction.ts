/** Gradients of reductions, orders and sources. */
import { broadcast, cast, compare, div, otherAxes, select, sum, zeros } from "../elementary.ts";
import { bind } from "../graph.ts";
import type { VjpRule } from "./rule.ts";
import { noGradient } from "./rule.ts";

type Reducing = "sum" | "reduceMax" | "argmax" | "argsort" | "cumsum" | "constant" | "iota" | "randomBits";

export const reductionRules: { readonly [P in Reducing]: VjpRule<P> } = {
  sum: (dy, { inputs: [x], params: { axes } }) => [broadcast(dy, x.shape, otherAxes(x.rank, axes))],
  // equal maxima share the cotangent evenly
  reduceMax: (dy, { inputs: [x], output, params: { axes } }) => {
    const kept = otherAxes(x.rank, axes);
    const isMaximum = compare("eq", x, broadcast(output, x.shape, kept));
    const share = div(dy, sum(cast(isMaximum, dy.dtype), axes));
    return [select(isMaximum, broadcast(share, x.shape, kept), zeros(x))];
  },
  argmax: noGradient,
  argsort: noGradient,
  cumsum: (dy, { params: { axis, reverse } }) => [bind("cumsum", [dy], { axis, reverse: !reverse })],
  constant: noGradient,
  iota: noGradient,
  randomBits: noGradient,
};
