/** Reference kernels of the primitives that move elements. */
import type { ReferenceKernel, Value } from "./kernel.ts";
import { forEachIndex, offsetOf, stridesOf } from "./kernel.ts";

type Moving = "reshape" | "transpose" | "broadcast" | "slice" | "pad" | "concat" | "reverse";

export const movementKernels = {
  reshape: ([result], [x]) => {
    result!.data.set(x!.data);
  },
  transpose: ([result], [x], { permutation }) => {
    const strides = stridesOf(x!.shape);
    copyStrided(result!, x!, { strides: permutation.map((axis) => strides[axis]!) });
  },
  broadcast: ([result], [x], { axes }) => {
    const strides = stridesOf(x!.shape);
    const spread = result!.shape.map((_, axis) => {
      const from = axes.indexOf(axis);
      return from === -1 || x!.shape[from] === 1 ? 0 : strides[from]!;
    });
    copyStrided(result!, x!, { strides: spread });
  },
  slice: ([result], [x], { start, step }) => {
    const strides = stridesOf(x!.shape);
    copyStrided(result!, x!, {
      strides: strides.map((stride, axis) => stride * step[axis]!),
      start: offsetOf(start, strides),
    });
  },
  reverse: ([result], [x], { axes }) => {
    const strides = stridesOf(x!.shape);
    const last = x!.shape.map((size, axis) => (axes.includes(axis) ? size - 1 : 0));
    copyStrided(result!, x!, {
      strides: strides.map((stride, axis) => (axes.includes(axis) ? -stride : stride)),
      start: offsetOf(last, strides),
    });
  },
  pad: ([result], [x, fill], { low, interior }) => {
    const strides = stridesOf(result!.shape);
    const steps = strides.map((stride, axis) => stride * (interior[axis]! + 1));
    const start = offsetOf(low, strides);
    result!.data.fill(fill!.data[0]!);
    forEachIndex(x!.shape, (index, position) => {
      result!.data[start + offsetOf(index, steps)] = x!.data[position]!;
    });
  },
  concat: ([result], operands, { axis }) => {
    const strides = stridesOf(result!.shape);
    let start = 0;
    for (const x of operands) {
      const from = start;
      forEachIndex(x.shape, (index, position) => {
        result!.data[from + offsetOf(index, strides)] = x.data[position]!;
      });
      start += x.shape[axis]! * strides[axis]!;
    }
  },
} satisfies { readonly [P in Moving]: ReferenceKernel<P> };

/** result[index] = x[start + Σ index · strides] */
function copyStrided(
  result: Value,
  x: Value,
  { strides, start = 0 }: { strides: readonly number[]; start?: number },
): void {
  forEachIndex(result.shape, (index, position) => {
    result.data[position] = x.data[start + offsetOf(index, strides)]!;
  });
}
