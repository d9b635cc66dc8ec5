/** Batching of the primitives that move elements, and of reductions and orders: the batch axis stays in front. */
import { broadcast, fill, moveAxis, select } from "../elementary.ts";
import { bind } from "../graph.ts";
import type { OneResult } from "../program.ts";
import type { BatchedApplication, BatchingRule } from "./rule.ts";
import { shifted, stacked } from "./rule.ts";

type Shaped =
  | "sum"
  | "reduceMax"
  | "argmax"
  | "argsort"
  | "cumsum"
  | "reshape"
  | "transpose"
  | "broadcast"
  | "slice"
  | "pad"
  | "concat"
  | "reverse"
  | "gather"
  | "scatterAdd"
  | "constant"
  | "iota"
  | "randomBits";

export const shapeBatching: { readonly [P in Shaped]: BatchingRule<P> } = {
  sum: ({ inputs: [x], params: { axes } }) => bind("sum", [x.tensor], { axes: axes.map(shifted) }),
  reduceMax: ({ inputs: [x], params: { axes } }) => bind("reduceMax", [x.tensor], { axes: axes.map(shifted) }),
  argmax: ({ inputs: [x], params: { axis } }) => bind("argmax", [x.tensor], { axis: shifted(axis) }),
  argsort: ({ inputs: [x], params }) => bind("argsort", [x.tensor], { ...params, axis: shifted(params.axis) }),
  cumsum: ({ inputs: [x], params }) => bind("cumsum", [x.tensor], { ...params, axis: shifted(params.axis) }),
  reshape: ({ inputs: [x], params, size }) => bind("reshape", [x.tensor], { shape: [size, ...params.shape] }),
  transpose: ({ inputs: [x], params: { permutation } }) =>
    bind("transpose", [x.tensor], { permutation: [0, ...permutation.map(shifted)] }),
  broadcast: ({ inputs: [x], params: { shape, axes }, size }) =>
    bind("broadcast", [x.tensor], { shape: [size, ...shape], axes: [0, ...axes.map(shifted)] }),
  slice: ({ inputs: [x], params: { start, stop, step }, size }) =>
    bind("slice", [x.tensor], { start: [0, ...start], stop: [size, ...stop], step: [1, ...step] }),
  pad: padBatching,
  concat: ({ inputs, params: { axis }, size }) =>
    bind(
      "concat",
      inputs.map((input) => stacked(input, size)),
      { axis: shifted(axis) },
    ),
  reverse: ({ inputs: [x], params: { axes } }) => bind("reverse", [x.tensor], { axes: axes.map(shifted) }),
  gather: gatherBatching,
  scatterAdd: ({ inputs: [x, indices, updates], params: { axis, batchDims }, size }) => {
    const perExample = indices.batched || batchDims > 0;
    return bind(
      "scatterAdd",
      [stacked(x, size), perExample ? stacked(indices, size) : indices.tensor, stacked(updates, size)],
      { axis: shifted(axis), batchDims: perExample ? shifted(batchDims) : 0 },
    );
  },
  constant: unreachable("constant"),
  iota: unreachable("iota"),
  randomBits: ({ inputs: [key], params }) => bind("randomBits", [key.tensor], params),
};

function padBatching({ inputs: [x, filling], params, size }: BatchedApplication<"pad">) {
  const batchParams = { low: [0, ...params.low], high: [0, ...params.high], interior: [0, ...params.interior] };
  if (!filling.batched) return bind("pad", [x.tensor, filling.tensor], batchParams);
  // one fill per example: pad with zeros, then put each example's own value wherever nothing of x is
  const scalar = { shape: [], dtype: filling.tensor.dtype };
  const padded = bind("pad", [stacked(x, size), fill(scalar, 0)], batchParams);
  const bool = { shape: [size, ...x.tensor.shape.slice(x.batched ? 1 : 0)], dtype: "bool" } as const;
  const around = bind("pad", [fill(bool, 0), fill({ shape: [], dtype: "bool" }, 1)], batchParams);
  return select(around, broadcast(filling.tensor, padded.shape, [0]), padded);
}

function gatherBatching({ inputs: [x, indices], params: { axis, batchDims }, size }: BatchedApplication<"gather">) {
  if (!x.batched) {
    // the indices of all examples are one larger set of indices, which lands where the axis was
    const gathered = bind("gather", [x.tensor, moveAxis(indices.tensor, 0, batchDims)], { axis, batchDims });
    return moveAxis(gathered, axis, 0);
  }
  if (!indices.batched && batchDims === 0) {
    return bind("gather", [x.tensor, indices.tensor], { axis: shifted(axis), batchDims });
  }
  return bind("gather", [x.tensor, stacked(indices, size)], { axis: shifted(axis), batchDims: shifted(batchDims) });
}

/** Primitives without operands are the same for every example. */
function unreachable<P extends OneResult>(primitive: P): BatchingRule<P> {
  return () => {
    throw new Error(`${primitive} has no operand to be batched`);
  };
}
