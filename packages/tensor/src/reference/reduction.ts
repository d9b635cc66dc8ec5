/** Reference kernels of reductions, running sums and sorting. */
import { isFloat } from "../dtype.ts";
import type { Shape } from "../primitive.ts";
import type { ReferenceKernel, Value } from "./kernel.ts";
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
  argmax: ([result], [x], { axis }) => {
    forEachLine(x!, axis, (line, position) => {
      let best = 0;
      line.forEach((offset, i) => {
        if (exceeds(x!.data[offset]!, x!.data[line[best]!]!)) best = i;
      });
      result!.data[position] = best;
    });
  },
  argsort: ([result], [x], { axis, descending }) => {
    forEachLine(x!, axis, (line) => {
      const order = line.map((_, i) => i);
      // Array sort is stable; for equal keys (and two NaNs) the comparison is 0.
      order.sort((i, j) => {
        const [a, b] = [x!.data[line[i]!]!, x!.data[line[j]!]!];
        const ascending = exceeds(a, b) ? 1 : exceeds(b, a) ? -1 : 0;
        return descending ? -ascending : ascending;
      });
      line.forEach((offset, i) => {
        result!.data[offset] = order[i]!;
      });
    });
  },
  cumsum: ([result], [x], { axis, reverse }) => {
    forEachLine(x!, axis, (line) => {
      let total = 0;
      for (const offset of reverse ? line.toReversed() : line) {
        total += x!.data[offset]!;
        result!.data[offset] = total;
      }
    });
  },
} satisfies { readonly [P in "sum" | "reduceMax" | "argmax" | "argsort" | "cumsum"]: ReferenceKernel<P> };

/** Strides that send an index of the operand to the place of its result: 0 along reduced axes. */
function targetStrides(shape: Shape, axes: readonly number[]): number[] {
  const kept = shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  return stridesOf(kept).map((stride, axis) => (axes.includes(axis) ? 0 : stride));
}

/** Visits the offsets of each line of `x` along `axis`, lines in row-major order of the other axes. */
function forEachLine(x: Value, axis: number, visit: (line: readonly number[], position: number) => void): void {
  const strides = stridesOf(x.shape);
  const length = x.shape[axis]!;
  if (length === 0) return;
  forEachIndex(x.shape.with(axis, 1), (index, position) => {
    const start = offsetOf(index, strides);
    visit(
      Array.from({ length }, (_, i) => start + i * strides[axis]!),
      position,
    );
  });
}
