/** Dimension numbers of `dot` and the operands' strides, brought to one form: a batch of m × k times k × n products. */
import type { DotParams, TensorType } from "@weft/tensor";
import type { Axis } from "./axes.ts";
import { axesKey, mergeAxes, rowMajorStrides } from "./axes.ts";

/** One operand's axes by role, in the result's order; `outer` are the free axes, `inner` the contracted ones. */
export interface ContractionSide {
  readonly batch: readonly Axis[];
  readonly outer: readonly Axis[];
  readonly inner: readonly Axis[];
}

/** The result is row-major [batch, m, n]. */
export interface Contraction {
  readonly lhs: ContractionSide;
  readonly rhs: ContractionSide;
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** @param strides element strides of both operands; row-major if absent */
export function contractionOf(
  params: DotParams,
  [lhs, rhs]: readonly [TensorType, TensorType],
  strides: readonly [readonly number[], readonly number[]] = [rowMajorStrides(lhs.shape), rowMajorStrides(rhs.shape)],
): Contraction {
  const left = axesByRole(lhs, strides[0], { batch: params.lhsBatch, contract: params.lhsContract });
  const right = axesByRole(rhs, strides[1], { batch: params.rhsBatch, contract: params.rhsContract });
  const size = (axes: readonly Axis[]) => axes.reduce((product, axis) => product * axis.size, 1);
  return {
    lhs: mergeSide(left),
    rhs: mergeSide(right),
    batch: size(left.batch),
    m: size(left.outer),
    n: size(right.outer),
    k: size(left.inner),
  };
}

export function contractionKey({ lhs, rhs, batch, m, n, k }: Contraction): string {
  const sides = [lhs, rhs].flatMap(({ batch, outer, inner }) => [batch, outer, inner].map(axesKey));
  return `${batch}x${m}x${n}x${k}:${sides.join(",")}`;
}

function axesByRole(
  { shape }: TensorType,
  strides: readonly number[],
  roles: { readonly batch: readonly number[]; readonly contract: readonly number[] },
): ContractionSide {
  const axisOf = (axis: number): Axis => ({ size: shape[axis] ?? 1, stride: strides[axis] ?? 0 });
  const free = shape.flatMap((_, axis) => (roles.batch.includes(axis) || roles.contract.includes(axis) ? [] : [axis]));
  return { batch: roles.batch.map(axisOf), outer: free.map(axisOf), inner: roles.contract.map(axisOf) };
}

const mergeSide = ({ batch, outer, inner }: ContractionSide): ContractionSide => ({
  batch: mergeAxes(batch),
  outer: mergeAxes(outer),
  inner: mergeAxes(inner),
});
