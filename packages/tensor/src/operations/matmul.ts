/** Matrix products, lowered to `dot` by dimension numbers: no matrix is transposed in the graph. */
import type { TensorLike } from "../create.ts";
import { lift } from "../create.ts";
import { ShapeError } from "../errors.ts";
import type { Tensor } from "../graph.ts";
import { bind } from "../graph.ts";
import type { DotParams } from "../primitive.ts";
import { broadcastShapes, broadcastTo } from "./broadcast.ts";

export interface MatmulOptions {
  /** Reads the left side as [..., k, m]. */
  readonly transposeA?: boolean;
  /** Reads the right side as [..., n, k]. */
  readonly transposeB?: boolean;
}

/**
 * [..., m, k] × [..., k, n] → [..., m, n]; leading axes broadcast. A vector stands for a row on the left, for a column on
 * the right, and its axis disappears.
 */
export function matmul(a: Tensor, right: TensorLike, options: MatmulOptions = {}): Tensor {
  const b = lift(right, a.dtype);
  const aInner = a.rank > 1 && options.transposeA ? -2 : -1;
  const bInner = b.rank > 1 && !options.transposeB ? -2 : -1;
  const [inner, other] = [a.shape.at(aInner), b.shape.at(bInner)];
  if (inner === undefined || other === undefined) {
    throw new ShapeError(`matmul: ${sides(a, b)} has a scalar side; multiply scalars with mul`);
  }
  if (inner !== other) {
    const expected = b.rank === 1 ? `[${inner}]` : bInner === -2 ? `[${inner}, ...]` : `[..., ${inner}]`;
    throw new ShapeError(`matmul: inner sizes differ, ${sides(a, b)}; expected ${expected} on the right`);
  }
  // Where one side has no batch and its free axis ends up in place, the other side's leading axes are just more rows.
  if (b.rank <= 2 && (aInner === -1 || a.rank <= 2)) return contract(a, b, { aInner, bInner, batch: 0 });
  const batch = broadcastShapes("matmul", a.shape.slice(0, -2), b.shape.slice(0, -2));
  const whole = (x: Tensor) =>
    x.rank === 1 ? broadcastTo(x, [...batch, ...x.shape]) : broadcastTo(x, [...batch, ...x.shape.slice(-2)]);
  return contract(whole(a), whole(b), { aInner, bInner, batch: batch.length });
}

/** The `dot` primitive itself: a batched contraction over named axes; result axes are batch, free of `x`, free of `y`. */
export function dot(x: Tensor, y: Tensor, axes: DotParams): Tensor {
  return bind("dot", [x, y], axes);
}

function contract(a: Tensor, b: Tensor, axes: { aInner: number; bInner: number; batch: number }): Tensor {
  const batch = Array.from({ length: axes.batch }, (_, axis) => axis);
  return bind("dot", [a, b], {
    lhsBatch: batch,
    rhsBatch: batch,
    lhsContract: [a.rank + axes.aInner],
    rhsContract: [b.rank + axes.bInner],
  });
}

const sides = (a: Tensor, b: Tensor) => `[${a.shape.join(", ")}] x [${b.shape.join(", ")}]`;
