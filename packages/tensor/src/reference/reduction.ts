/** Reference kernels of sums and maxima. */
import { isFloat } from "../dtype.ts";
import type { Shape } from "../primitive.ts";
import type { ReferenceKernel } from "./kernel.ts";
import { exceeds, forEachIndex, lowest, offsetOf, stridesOf } from "./kernel.ts";

export const reductionKernels = {
  /** Sums of floats are carried in f64 (integers in their own width) and rounded once. */
  sum: ([result], [x], { axes }) => {
    const target = targetStrides(x!.shape, axes);
    const exact = isFloat(result!.dtype) ? new Float64Array(result!.data.length) : result!.data;
    forEachIndex(x!.shape, (index, position) => {
      exact[offsetOf(index, target)]! += x!.data[position]!;
    });
    result!.data.set(exact);
  },
  reduceMax: ([result], [x], { axes }) => {
    const target = targetStrides(x!.shape, axes);
    result!.data.fill(lowest[x!.dtype]);
    forEachIndex(x!.shape, (index, position) => {
      const offset = offsetOf(index, target);
      if (exceeds(x!.data[position]!, result!.data[offset]!)) result!.data[offset] = x!.data[position]!;
    });
  },
} satisfies { readonly [P in "sum" | "reduceMax"]: ReferenceKernel<P> };

/** Strides that send an index of the operand to the place of its result: 0 along reduced axes. */
function targetStrides(shape: Shape, axes: readonly number[]): number[] {
  const kept = shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  return stridesOf(kept).map((stride, axis) => (axes.includes(axis) ? 0 : stride));
}
