/** Gradients of contractions and convolutions: bilinear, so each is a contraction of the cotangent with the other operand. */
import { inversePermutation, otherAxes, range, transpose } from "../elementary.ts";
import type { Tensor } from "../graph.ts";
import { bind } from "../graph.ts";
import type { ConvParams, DotParams } from "../primitive.ts";
import type { VjpRule } from "./rule.ts";

type Contracting = "dot" | "conv" | "convInputGradient" | "convKernelGradient";

export const contractionRules: { readonly [P in Contracting]: VjpRule<P> } = {
  dot: (dy, { inputs, params }) => dotGradients(dy, inputs, params),
  conv: (dy, { inputs: [x, kernel], params }) => [
    bind("convInputGradient", [dy, kernel], { ...convOf(params), inputSpatial: x.shape.slice(1, -1) }),
    bind("convKernelGradient", [x, dy], { ...convOf(params), kernelSpatial: kernel.shape.slice(0, -2) }),
  ],
  convInputGradient: (dx, { inputs: [dy, kernel], params }) => [
    bind("conv", [dx, kernel], convOf(params)),
    bind("convKernelGradient", [dx, dy], { ...convOf(params), kernelSpatial: kernel.shape.slice(0, -2) }),
  ],
  convKernelGradient: (dkernel, { inputs: [x, dy], params }) => [
    bind("convInputGradient", [dy, dkernel], { ...convOf(params), inputSpatial: x.shape.slice(1, -1) }),
    bind("conv", [x, dkernel], convOf(params)),
  ],
};

const convOf = ({ strides, padding, dilation, groups }: ConvParams): ConvParams => ({
  strides,
  padding,
  dilation,
  groups,
});

/** dy [batch, lhs free, rhs free] with rhs over the rhs free axes, and lhs over the lhs free axes with dy. */
function dotGradients(dy: Tensor, [lhs, rhs]: readonly [Tensor, Tensor], params: DotParams): [Tensor, Tensor] {
  const { lhsBatch, rhsBatch, lhsContract, rhsContract } = params;
  const batch = range(lhsBatch.length);
  const lhsFree = otherAxes(lhs.rank, [...lhsBatch, ...lhsContract]);
  const rhsFree = otherAxes(rhs.rank, [...rhsBatch, ...rhsContract]);
  const ofLhs = bind("dot", [dy, rhs], {
    lhsBatch: batch,
    rhsBatch,
    lhsContract: rhsFree.map((_, i) => batch.length + lhsFree.length + i),
    rhsContract: rhsFree,
  });
  const ofRhs = bind("dot", [lhs, dy], {
    lhsBatch,
    rhsBatch: batch,
    lhsContract: lhsFree,
    rhsContract: lhsFree.map((_, i) => batch.length + i),
  });
  return [
    transpose(ofLhs, inversePermutation([...lhsBatch, ...lhsFree, ...partners(rhsContract, lhsContract)])),
    transpose(ofRhs, inversePermutation([...rhsBatch, ...partners(lhsContract, rhsContract), ...rhsFree])),
  ];
}

/** The axes paired with `axes`, in increasing order of `axes`: how a dot leaves contracted axes that became free. */
function partners(axes: readonly number[], paired: readonly number[]): number[] {
  const order = range(axes.length).toSorted((i, j) => (axes[i] ?? 0) - (axes[j] ?? 0));
  return order.map((i) => paired[i] ?? 0);
}
