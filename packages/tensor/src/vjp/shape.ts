/** Gradients of the primitives that move elements: each sends cotangents back along the same way. */
import { fill, inversePermutation, mul, otherAxes, range, reshape, sum, transpose, zeros } from "../elementary.ts";
import type { Tensor } from "../graph.ts";
import { bind } from "../graph.ts";
import type { PlainParams } from "../primitive.ts";
import type { VjpRule } from "./rule.ts";

type Moving = "reshape" | "transpose" | "broadcast" | "slice" | "pad" | "concat" | "reverse" | "gather" | "scatterAdd";

export const shapeRules: { readonly [P in Moving]: VjpRule<P> } = {
  reshape: (dy, { inputs: [x] }) => [reshape(dy, x.shape)],
  transpose: (dy, { params }) => [transpose(dy, inversePermutation(params.permutation))],
  broadcast: (dy, { inputs: [x], params: { axes, shape } }) => {
    const stretched = axes.filter((axis, i) => x.shape[i] === 1 && shape[axis] !== 1);
    const repeated = [...otherAxes(shape.length, axes), ...stretched].toSorted((a, b) => a - b);
    return [reshape(sum(dy, repeated), x.shape)];
  },
  slice: (dy, { inputs: [x], params }) => [unslice(dy, x, params)],
  pad: (dy, { inputs: [x, filling], params }) => {
    const around = bind("pad", [zeros(x), fill(filling, 1)], params);
    return [unpad(dy, x, params), sum(mul(dy, around), range(dy.rank))];
  },
  concat: (dy, { inputs, params: { axis } }) => {
    let offset = 0;
    return inputs.map((x) => {
      const start = dy.shape.map((_, i) => (i === axis ? offset : 0));
      offset += x.shape[axis] ?? 0;
      const stop = dy.shape.map((size, i) => (i === axis ? offset : size));
      return bind("slice", [dy], { start, stop, step: dy.shape.map(() => 1) });
    });
  },
  reverse: (dy, { params }) => [bind("reverse", [dy], params)],
  gather: (dy, { inputs: [x, indices], params }) => [bind("scatterAdd", [zeros(x), indices, dy], params)],
  scatterAdd: (dy, { inputs: [, indices], params }) => [dy, undefined, bind("gather", [dy, indices], params)],
};

/** Puts the elements that a slice took back where they were, among zeros. */
function unslice(dy: Tensor, x: Tensor, { start, step }: PlainParams["slice"]): Tensor {
  const interior = step.map((by) => by - 1);
  const taken = dy.shape.map((count, i) => (count === 0 ? 0 : (count - 1) * (step[i] ?? 1) + 1));
  const low = start;
  const high = x.shape.map((size, i) => size - (low[i] ?? 0) - (taken[i] ?? 0));
  return bind("pad", [dy, fill({ shape: [], dtype: dy.dtype }, 0)], { low, high, interior });
}

/** Takes the operand's elements out of a padded tensor. */
function unpad(dy: Tensor, x: Tensor, { low, interior }: PlainParams["pad"]): Tensor {
  const step = interior.map((between) => between + 1);
  const stop = x.shape.map((size, i) => (low[i] ?? 0) + (size === 0 ? 0 : (size - 1) * (step[i] ?? 1) + 1));
  return bind("slice", [dy], { start: low, stop, step });
}
