/** Reference kernels over windows. */
import type { WindowParams } from "../primitive.ts";
import type { ReferenceKernel, Value } from "./kernel.ts";
import { exceeds, forEachIndex, lowest, stridesOf } from "./kernel.ts";

type Windowed = "windowMax" | "windowSum" | "windowScatter" | "windowGather";

export const windowKernels = {
  windowMax: ([result], [x], params) => {
    forEachWindow(x!, result!, params, (cells, position) => {
      const first = firstMaximum(x!, cells);
      result!.data[position] = first === undefined ? lowest[x!.dtype] : x!.data[first]!;
    });
  },
  windowSum: ([result], [x], params) => {
    forEachWindow(x!, result!, params, (cells, position) => {
      result!.data[position] = cells.reduce((total, cell) => total + x!.data[cell]!, 0);
    });
  },
  windowScatter: ([result], [x, dy], params) => {
    const total = new Float64Array(result!.data.length);
    forEachWindow(x!, dy!, params, (cells, position) => {
      const first = firstMaximum(x!, cells);
      if (first !== undefined) total[first]! += dy!.data[position]!;
    });
    result!.data.set(total);
  },
  windowGather: ([result], [x, t], params) => {
    forEachWindow(x!, result!, params, (cells, position) => {
      const first = firstMaximum(x!, cells);
      result!.data[position] = first === undefined ? 0 : t!.data[first]!;
    });
  },
} satisfies { readonly [P in Windowed]: ReferenceKernel<P> };

/** Visits each window with the offsets of its cells inside `x`, in row-major order. */
function forEachWindow(
  x: Value,
  windows: Value,
  { window, strides, padding }: WindowParams,
  visit: (cells: readonly number[], position: number) => void,
): void {
  const xStrides = stridesOf(x.shape);
  forEachIndex(windows.shape, (corner, position) => {
    const cells: number[] = [];
    forEachIndex(window, (cell) => {
      let offset = 0;
      for (let axis = 0; axis < cell.length; axis++) {
        const at = corner[axis]! * strides[axis]! - padding[axis]![0] + cell[axis]!;
        if (at < 0 || at >= x.shape[axis]!) return;
        offset += at * xStrides[axis]!;
      }
      cells.push(offset);
    });
    visit(cells, position);
  });
}

function firstMaximum({ data }: Value, cells: readonly number[]): number | undefined {
  let best = cells[0];
  for (const cell of cells) if (best !== undefined && exceeds(data[cell]!, data[best]!)) best = cell;
  return best;
}
