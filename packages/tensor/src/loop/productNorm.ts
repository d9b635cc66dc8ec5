/** The squared norm of a product of two tensors from its operands, without forming it. */
import {
  broadcast,
  cast,
  compare,
  fill,
  mul,
  otherAxes,
  range,
  reshape,
  sum,
  transpose,
  zeros,
} from "../elementary.ts";
import type { Tensor } from "../graph.ts";
import { bind } from "../graph.ts";
import { sizeOf } from "../program.ts";
import type { Product } from "./products.ts";
import { operandsOf } from "./products.ts";

/** A scalar, or `undefined` where forming the product costs no more. */
export function squaredNormOfProduct(product: Product): Tensor | undefined {
  switch (product.primitive) {
    case "dot":
      return ofDot(product);
    case "scatterAdd":
      return ofScatter(product);
    case "convKernelGradient":
      return undefined;
    default:
      return product satisfies never;
  }
}

type Of<P> = Extract<Product, { readonly primitive: P }>;

/**
 * g[b] = Σ_k x[b, k] ⊗ y[b, k] has ‖g‖² = Σ_b Σ_kl ⟨x[b, k], x[b, l]⟩⟨y[b, k], y[b, l]⟩, which for a single k is ‖x‖²‖y‖².
 */
function ofDot(product: Of<"dot">): Tensor | undefined {
  const { lhsBatch, lhsContract, rhsBatch, rhsContract } = product.params;
  const [lhs, rhs] = operandsOf(product);
  const x = byTerms(lhs, lhsBatch, lhsContract);
  const y = byTerms(rhs, rhsBatch, rhsContract);
  const [, terms = 1, rows = 1] = x.shape;
  const columns = y.shape[2] ?? 1;
  if (terms === 1) return sum(mul(sum(mul(x, x), [1, 2]), sum(mul(y, y), [1, 2])), [0]);
  if (terms * (rows + columns) >= rows * columns) return undefined;
  return notNegative(sum(mul(gram(x), gram(y)), [0, 1, 2]));
}

/** The operand as [batch, terms, elements of a term]. */
function byTerms(x: Tensor, batch: readonly number[], contract: readonly number[]): Tensor {
  const free = otherAxes(x.rank, [...batch, ...contract]);
  const size = (axes: readonly number[]) => sizeOf(axes.map((axis) => x.shape[axis] ?? 1));
  return reshape(transpose(x, [...batch, ...contract, ...free]), [size(batch), size(contract), size(free)]);
}

/** Products of all pairs of terms: [batch, terms, terms]. */
const gram = (x: Tensor): Tensor =>
  bind("dot", [x, x], { lhsBatch: [0], rhsBatch: [0], lhsContract: [2], rhsContract: [2] });

/** Rows added at the same place of a table are one row there: pairs of rows count where their indices are equal. */
function ofScatter(product: Of<"scatterAdd">): Tensor | undefined {
  const { axis, batchDims } = product.params;
  const [indices, updates] = operandsOf(product);
  const rows = product.outputs[0]?.shape[axis] ?? 0;
  const count = indices.size;
  if (batchDims > 0 || count >= rows) return undefined;
  const places = range(indices.rank).map((i) => axis + i);
  const terms = reshape(byTerms(updates, [], places), [1, count, updates.size / Math.max(1, count)]);
  const least = fill(indices, 0);
  const inside = bind("min", [bind("max", [indices, least], {}), fill(indices, rows - 1)], {});
  const flat = reshape(inside, [count]);
  const isSame = compare("eq", broadcast(flat, [count, count], [0]), broadcast(flat, [count, count], [1]));
  const pairs = reshape(gram(terms), [count, count]);
  return notNegative(sum(mul(pairs, cast(isSame, updates.dtype)), [0, 1]));
}

/** Rounding may leave a sum of squares a little below 0 when its terms cancel. */
const notNegative = (x: Tensor): Tensor => bind("max", [x, zeros(x)], {});
