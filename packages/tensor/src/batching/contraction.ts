/** Batching of contractions, convolutions and windows. */
import { moveAxis, otherAxes, reshape } from "../elementary.ts";
import type { Tensor } from "../graph.ts";
import { bind } from "../graph.ts";
import type { ConvParams, WindowParams } from "../primitive.ts";
import type { BatchedApplication, BatchingRule } from "./rule.ts";
import { shifted, stacked } from "./rule.ts";

type Contracting =
  | "dot"
  | "conv"
  | "convInputGradient"
  | "convKernelGradient"
  | "windowMax"
  | "windowSum"
  | "windowScatter"
  | "windowGather";

export const contractionBatching: { readonly [P in Contracting]: BatchingRule<P> } = {
  dot: dotBatching,
  conv: ({ inputs: [x, kernel], params, size }) => {
    if (!kernel.batched) return unfold(bind("conv", [fold(x.tensor, 0), kernel.tensor], params), 0, { size });
    const channels = kernel.tensor.rank - 2;
    if (!x.batched) {
      const { groups } = params;
      const result = bind("conv", [x.tensor, fold(kernel.tensor, channels, groups)], params);
      return unfold(result, channels, { size, groups });
    }
    const operands = [fold(x.tensor, channels), fold(kernel.tensor, channels)];
    return unfold(bind("conv", operands, grouped(params, size)), channels, { size });
  },
  convInputGradient: ({ inputs: [dy, kernel], params, size }) => {
    if (!kernel.batched)
      return unfold(bind("convInputGradient", [fold(dy.tensor, 0), kernel.tensor], params), 0, { size });
    const channels = kernel.tensor.rank - 2;
    if (!dy.batched) {
      // the examples' kernels become further input channels of each group
      const result = bind("convInputGradient", [dy.tensor, fold(kernel.tensor, channels - 1)], params);
      return unfold(result, channels, { size, groups: params.groups });
    }
    const operands = [fold(dy.tensor, channels), fold(kernel.tensor, channels)];
    return unfold(bind("convInputGradient", operands, grouped(params, size)), channels, { size });
  },
  convKernelGradient: ({ inputs: [x, dy], params, size }) => {
    const { groups } = params;
    if (!dy.batched) {
      const channels = x.tensor.rank - 2;
      const result = bind("convKernelGradient", [fold(x.tensor, channels, groups), dy.tensor], params);
      return unfold(result, channels - 1, { size });
    }
    const channels = dy.tensor.rank - 2;
    if (!x.batched) {
      const result = bind("convKernelGradient", [x.tensor, fold(dy.tensor, channels, groups)], params);
      return unfold(result, channels, { size, groups });
    }
    const operands = [fold(x.tensor, channels), fold(dy.tensor, channels)];
    return unfold(bind("convKernelGradient", operands, grouped(params, size)), channels, { size });
  },
  windowMax: ({ inputs: [x], params }) => bind("windowMax", [x.tensor], windowOfBatch(params)),
  windowSum: ({ inputs: [x], params }) => bind("windowSum", [x.tensor], windowOfBatch(params)),
  windowScatter: ({ inputs: [x, dy], params, size }) =>
    bind("windowScatter", [stacked(x, size), stacked(dy, size)], windowOfBatch(params)),
  windowGather: ({ inputs: [x, t], params, size }) =>
    bind("windowGather", [stacked(x, size), stacked(t, size)], windowOfBatch(params)),
};

/** Both operands batched: one more batch axis. One of them: its batch axis is one more free axis, moved in front. */
function dotBatching({ inputs: [lhs, rhs], params }: BatchedApplication<"dot">): Tensor {
  const up = (axes: readonly number[], batched: boolean) => (batched ? axes.map(shifted) : axes);
  const lhsBatch = up(params.lhsBatch, lhs.batched);
  const rhsBatch = up(params.rhsBatch, rhs.batched);
  const lhsContract = up(params.lhsContract, lhs.batched);
  const rhsContract = up(params.rhsContract, rhs.batched);
  const operands = [lhs.tensor, rhs.tensor];
  if (lhs.batched && rhs.batched) {
    return bind("dot", operands, {
      lhsBatch: [0, ...lhsBatch],
      rhsBatch: [0, ...rhsBatch],
      lhsContract,
      rhsContract,
    });
  }
  const result = bind("dot", operands, { lhsBatch, rhsBatch, lhsContract, rhsContract });
  const lhsFree = otherAxes(lhs.tensor.rank, [...lhsBatch, ...lhsContract]).length;
  return moveAxis(result, lhsBatch.length + (lhs.batched ? 0 : lhsFree), 0);
}

/** Each example becomes a group, or as many groups as it had. */
const grouped = <C extends ConvParams>(params: C, size: number): C => ({ ...params, groups: params.groups * size });

/**
 * Merges the batch axis into `axis` of the example, whose n elements are `groups` times n / groups: the result counts groups
 * first, then examples, then what is within a group.
 */
function fold(x: Tensor, axis: number, groups = 1): Tensor {
  const [size = 0, ...shape] = x.shape;
  const within = (shape[axis] ?? 0) / groups;
  const split = reshape(x, [size, ...shape.slice(0, axis), groups, within, ...shape.slice(axis + 1)]);
  return reshape(moveAxis(split, 0, axis + 1), shape.with(axis, groups * size * within));
}

/** Undoes `fold` of a result: takes the examples out of `axis` and puts them in front. */
function unfold(x: Tensor, axis: number, { size, groups = 1 }: { size: number; groups?: number }): Tensor {
  const perExample = (x.shape[axis] ?? 0) / size;
  const split = [...x.shape.slice(0, axis), groups, size, perExample / groups, ...x.shape.slice(axis + 1)];
  return reshape(moveAxis(reshape(x, split), axis + 1, 0), [size, ...x.shape.with(axis, perExample)]);
}

const windowOfBatch = ({ window, strides, padding }: WindowParams): WindowParams => ({
  window: [1, ...window],
  strides: [1, ...strides],
  padding: [[0, 0], ...padding],
});
