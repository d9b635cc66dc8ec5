/** Reference kernels of gather and scatter-add. */
import { isFloat } from "../dtype.ts";
import type { IndexParams } from "../primitive.ts";
import { sizeOf } from "../program.ts";
import type { ReferenceKernel, Value } from "./kernel.ts";

export const indexKernels = {
  gather: ([result], [x, indices], params) => {
    forEachPlace(x!, indices!, params, (inX, inResult) => {
      result!.data[inResult] = x!.data[inX]!;
    });
  },
  scatterAdd: ([result], [x, indices, updates], params) => {
    const total = isFloat(result!.dtype) ? new Float64Array(x!.data) : result!.data;
    if (total === result!.data) total.set(x!.data);
    forEachPlace(x!, indices!, params, (inX, inUpdates) => {
      total[inX]! += updates!.data[inUpdates]!;
    });
    result!.data.set(total);
  },
} satisfies { readonly [P in "gather" | "scatterAdd"]: ReferenceKernel<P> };

/** Visits (offset in x, offset in the gathered shape) pairs: [B…, P…, n, Q…] against [B…, P…, I…, Q…]. */
function forEachPlace(
  x: Value,
  indices: Value,
  { axis, batchDims }: IndexParams,
  visit: (inX: number, inResult: number) => void,
): void {
  const batch = sizeOf(x.shape.slice(0, batchDims));
  const before = sizeOf(x.shape.slice(batchDims, axis));
  const size = x.shape[axis]!;
  const after = sizeOf(x.shape.slice(axis + 1));
  const count = sizeOf(indices.shape.slice(batchDims));
  let inResult = 0;
  for (let b = 0; b < batch; b++) {
    for (let p = 0; p < before; p++) {
      for (let i = 0; i < count; i++) {
        const index = Math.min(size - 1, Math.max(0, indices.data[b * count + i]!));
        for (let q = 0; q < after; q++) visit(((b * before + p) * size + index) * after + q, inResult++);
      }
    }
  }
}
