/**
 * Gradients of weights as what they are made of: sums of terms, each a view of a product of two smaller tensors. Summed over
 * steps or examples, a product need not be formed for each: one contraction over all of them does.
 */
import { moveAxis, reshape } from "../elementary.ts";
import type { Node, OperationNode, Tensor } from "../graph.ts";
import { bind } from "../graph.ts";
import { sizeOf } from "../program.ts";

/** A term of a sum: views of what `core` computes. */
export interface Term {
  readonly core: Tensor;
  /** Outermost first. */
  readonly views: readonly View[];
}

type View = Extract<OperationNode, { primitive: "reshape" | "transpose" }>;
export type Product = Extract<OperationNode, { primitive: "dot" | "convKernelGradient" | "scatterAdd" }>;

/** Operands that are this much larger than their product gain nothing from being stacked. */
const largestOperands = 16;

/** The terms of a sum of sums. A sum that is met again is a term as a whole, or doubling n times would give 2ⁿ terms. */
export function termsOf(flow: Tensor): Term[] {
  const terms: Term[] = [];
  const taken = new Set<Node>();
  const open = [flow];
  for (let term = open.pop(); term; term = open.pop()) {
    const { node } = term;
    if (node.kind === "operation" && node.primitive === "add" && !taken.has(node)) {
      taken.add(node);
      open.push(...node.inputs.toReversed());
    } else {
      terms.push(peeled(term));
    }
  }
  return terms;
}

function peeled(term: Tensor): Term {
  const views: View[] = [];
  let core = term;
  for (let { node } = core; node.kind === "operation"; { node } = core) {
    if (node.primitive !== "reshape" && node.primitive !== "transpose") break;
    views.push(node);
    core = node.inputs[0]!;
  }
  return { core, views };
}

/** The views of a term, of another core of the same shape. */
export const viewed = (core: Tensor, views: readonly View[]): Tensor =>
  views.reduceRight(
    (x, view) =>
      view.primitive === "reshape" ? bind("reshape", [x], view.params) : bind("transpose", [x], view.params),
    core,
  );

/**
 * The product that a core is, if its operands all differ between steps and it is worth leaving until all are there: a product
 * into a table counts when it starts from zeros.
 */
export function productOf({ node, size }: Tensor, isVarying: (tensor: Tensor) => boolean): Product | undefined {
  if (node.kind !== "operation") return undefined;
  const { primitive, inputs } = node;
  if (primitive !== "dot" && primitive !== "convKernelGradient" && primitive !== "scatterAdd") return undefined;
  if (primitive === "scatterAdd" && !isZero(inputs[0]!)) return undefined;
  const operands = operandsOf(node);
  const elements = operands.reduce((count, operand) => count + operand.size, 0);
  return operands.every(isVarying) && elements <= largestOperands * size ? node : undefined;
}

/** The two tensors of each step that are multiplied; those of `scatterAdd` are indices and updates. */
export function operandsOf({ primitive, inputs }: Product): readonly [Tensor, Tensor] {
  const [x, y] = primitive === "scatterAdd" ? inputs.slice(1) : inputs;
  if (!x || !y) throw new Error(`${primitive} has too few operands`);
  return [x, y];
}

const isZero = ({ node }: Tensor) =>
  node.kind === "operation" && node.primitive === "constant" && node.params.value === 0;

/** The sum of a product over all steps, from its operands stacked along axis 0. */
export function productOverAll({ primitive, inputs, params }: Product, [x, y]: readonly [Tensor, Tensor]): Tensor {
  const later = (axes: readonly number[]) => axes.map((axis) => axis + 1);
  switch (primitive) {
    case "dot":
      return bind("dot", [x, y], {
        lhsBatch: later(params.lhsBatch),
        rhsBatch: later(params.rhsBatch),
        lhsContract: [0, ...later(params.lhsContract)],
        rhsContract: [0, ...later(params.rhsContract)],
      });
    case "convKernelGradient":
      return bind("convKernelGradient", [joined(x), joined(y)], params);
    // the indices of all steps are one larger set of indices
    case "scatterAdd":
      return bind("scatterAdd", [inputs[0]!, moveAxis(x, 0, params.batchDims), moveAxis(y, 0, params.axis)], params);
    default:
      return primitive satisfies never;
  }
}

/** Steps and batch as one axis. */
const joined = (x: Tensor): Tensor => reshape(x, [sizeOf(x.shape.slice(0, 2)), ...x.shape.slice(2)]);
