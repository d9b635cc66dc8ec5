/** Reference kernels of the primitives that make values: constants, counters, random bits. */
import type { ReferenceKernel } from "./kernel.ts";
import { forEachIndex } from "./kernel.ts";
import { threefry } from "./threefry.ts";

export const sourceKernels = {
  constant: ([result], _, { value }) => {
    result!.data.fill(value);
  },
  iota: ([result], _, { shape, axis }) => {
    forEachIndex(shape, (index, position) => {
      result!.data[position] = index[axis]!;
    });
  },
  randomBits: ([result], [key], { shape }) => {
    const perKey = shape.reduce((size, n) => size * n, 1);
    for (let i = 0; i < result!.data.length; i++) {
      const [row, element] = [Math.floor(i / perKey), i % perKey];
      const block = threefry([key!.data[2 * row]!, key!.data[2 * row + 1]!], [element >>> 1, 0]);
      result!.data[i] = block[element % 2]!;
    }
  },
} satisfies { readonly [P in "constant" | "iota" | "randomBits"]: ReferenceKernel<P> };
