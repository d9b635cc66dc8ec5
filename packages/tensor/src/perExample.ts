/**
 * The gradients of each example of a batch, for private training: their norms and weighted sums without forming them where
 * they are products. A dense layer's gradient is x ⊗ dy: its norm is ‖x‖·‖dy‖ (Goodfellow, "Efficient per-example gradient
 * computations", 2015), over positions a product of Gram matrices (Li et al., "Large language models can be strong
 * differentially private learners", 2022), and a weighted sum over examples is one contraction.
 */
import { add, broadcast, mul, range, sum } from "./elementary.ts";
import { ShapeError } from "./errors.ts";
import { valueAndGrad } from "./grad.ts";
import type { Tensor } from "./graph.ts";
import { bind } from "./graph.ts";
import { squaredNormOfProduct } from "./loop/productNorm.ts";
import type { Product, Term } from "./loop/products.ts";
import { operandsOf, productOf, productOverAll, termsOf, viewed } from "./loop/products.ts";
import { dependence } from "./loop/totals.ts";
import { typeText } from "./program.ts";
import { flatten, unflatten } from "./tree.ts";
import type { BatchAxis } from "./vmap.ts";
import { vmap } from "./vmap.ts";

/** Lazy, like all tensors: what is not asked for is not computed. P is the type of the parameters. */
export interface PerExampleGradients<P> {
  /** The function's value for each example: [batch]. */
  readonly values: Tensor;
  /** Euclidean norm of each example's gradient, over all parameters: [batch]. */
  readonly norms: Tensor;
  /** Σ weight · gradient over the examples; weights [batch]. Clipping to C is by `minimum(norms.reciprocal().mul(C), 1)`. */
  readonly weightedSum: (weights: Tensor) => P;
  /** The gradients themselves, as `vmap(grad(fn))` gives them: a batch axis in front of each parameter's. */
  readonly stacked: () => P;
}

export interface PerExampleOptions {
  /** The batch axis of each argument after the parameters, `null` where all examples share it. Default: axis 0 of all. */
  readonly in?: readonly BatchAxis[];
}

/**
 * ```ts
 * const { norms, weightedSum } = perExampleGradients(loss)(parameters, images, labels);
 * const clipped = weightedSum(minimum(norms.reciprocal().mul(clipNorm), 1));
 * ```
 *
 * @param fn scalar function of the parameters (a tree of float tensors) and one example
 */
export function perExampleGradients<P, Example extends readonly unknown[]>(
  fn: (parameters: P, ...example: Example) => Tensor,
  options: PerExampleOptions = {},
): (parameters: P, ...batch: Example) => PerExampleGradients<P> {
  return (parameters, ...batch) => {
    const { structure } = flatten(parameters, "perExampleGradients: parameters");
    const axes = batch.map((_, i): BatchAxis => (options.in ? (options.in[i] ?? null) : 0));
    let terms: readonly (readonly LeafTerm[])[] = [];
    const [values, squares, stacks, parts] = vmap(
      (...example: Example) => {
        const [value, gradient] = valueAndGrad(fn)(parameters, ...example);
        const flows = flatten(gradient).leaves;
        const isVarying = dependence(flows, flatten(example.filter((_, i) => axes[i] !== null)).leaves);
        terms = flows.map((flow) =>
          termsOf(flow).map((term) => ({ ...term, product: productOf(term.core, isVarying) })),
        );
        const square = flows.map((flow, i) => squaredNorm(flow, terms[i]!)).reduce((total, term) => add(total, term));
        return [value, square, flows, terms.flat().flatMap(partsOf)] as const;
      },
      { in: axes },
    )(...batch);
    return {
      values,
      norms: bind("sqrt", [squares], {}),
      weightedSum: (weights) => {
        assertWeights(weights, values);
        return unflatten(structure, weightedSums(terms, parts, weights)) as P;
      },
      stacked: () => unflatten(structure, stacks) as P,
    };
  };
}

interface LeafTerm extends Term {
  readonly product: Product | undefined;
}

/** What of a term is kept for all examples. */
const partsOf = ({ core, product }: LeafTerm): readonly Tensor[] => (product ? operandsOf(product) : [core]);

function squaredNorm(flow: Tensor, [term, ...others]: readonly LeafTerm[]): Tensor {
  const known = term?.product && others.length === 0 ? squaredNormOfProduct(term.product) : undefined;
  return known ?? sum(mul(flow, flow), range(flow.rank));
}

function weightedSums(
  terms: readonly (readonly LeafTerm[])[],
  parts: readonly Tensor[],
  weights: Tensor,
): readonly Tensor[] {
  let next = 0;
  const take = () => parts[next++]!;
  return terms.map((own) =>
    own
      .map(({ product, views }) => {
        if (!product) return viewed(contractExamples(weights, take()), views);
        const [x, y] = [take(), take()];
        // indices have no weight, nor does the larger operand where there is a choice
        const isLeft = product.primitive !== "scatterAdd" && x.size < y.size;
        return viewed(productOverAll(product, isLeft ? [weighted(x, weights), y] : [x, weighted(y, weights)]), views);
      })
      .reduce((total, term) => add(total, term)),
  );
}

const contractExamples = (weights: Tensor, stack: Tensor): Tensor =>
  bind("dot", [weights, stack], { lhsBatch: [], rhsBatch: [], lhsContract: [0], rhsContract: [0] });

const weighted = (x: Tensor, weights: Tensor): Tensor => mul(x, broadcast(weights, x.shape, [0]));

function assertWeights(weights: Tensor, values: Tensor): void {
  if (typeText(weights) === typeText(values)) return;
  throw new ShapeError(
    `weightedSum: expected one weight for each example, ${typeText(values)}, got ${typeText(weights)}`,
  );
}
