/** Reference kernels that work line by line along one axis; fast backends without kernels for these rare primitives run them too. */
import type { ReferenceKernel, Value } from "./kernel.ts";
import { exceeds, forEachIndex, offsetOf, stridesOf } from "./kernel.ts";

export const lineKernels = {
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
} satisfies { readonly [P in "argmax" | "argsort" | "cumsum"]: ReferenceKernel<P> };

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

export type LinePrimitive = keyof typeof lineKernels;
