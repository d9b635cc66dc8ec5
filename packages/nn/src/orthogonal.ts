/** Orthogonal matrices (Saxe et al. 2014), uniformly distributed, as tensor operations. */
import type { Shape, Tensor } from "@weft/tensor";
import { arange, normal, scan, zeros } from "@weft/tensor";
import type { GainOptions, Initializer } from "./initializers.ts";

/**
 * gain · a matrix with orthonormal columns, or rows where there are fewer of them. Kernels of more axes count as
 * [all but the last, last].
 */
export function orthogonal({ gain = 1 }: GainOptions = {}): Initializer {
  return (key, shape) => {
    const columns = shape.at(-1) ?? 1;
    const rows = Math.max(1, sizeOf(shape)) / Math.max(1, columns);
    const size: Shape = rows >= columns ? [columns, rows] : [rows, columns];
    const basis = orthonormalRows(normal(key, size)).mul(gain);
    return (rows >= columns ? basis.T : basis).reshape(shape);
  };
}

/**
 * Gram and Schmidt's process, each row projected twice, which keeps f32 rows orthogonal to its last digits ("twice is enough",
 * Giraud et al. 2005). The triangle that it leaves has a positive diagonal, so normal numbers give the uniform distribution.
 */
function orthonormalRows(x: Tensor): Tensor {
  const [count = 0, size = 0] = x.shape;
  const step = (done: Tensor, [row, i]: readonly [Tensor, Tensor]) => {
    const project = (v: Tensor) => v.sub(done.matmul(v).matmul(done));
    const left = project(project(row));
    const unit = left.div(left.norm());
    const place = arange(count).equal(i).cast(x.dtype);
    return [done.add(place.expandDims(1).mul(unit)), undefined] as const;
  };
  const [basis] = scan(step, zeros([count, size], { dtype: x.dtype }), [x, arange(count)] as const);
  return basis;
}

const sizeOf = (shape: Shape) => shape.reduce((size, n) => size * n, 1);
