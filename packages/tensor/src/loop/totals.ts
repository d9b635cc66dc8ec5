/**
 * Sums over the steps of a loop, such as the gradient of weights that every step uses. A product of two values of each step
 * is not summed step by step: its operands are stacked, and one contraction over time and all follows the loop.
 */
import { add, moveAxis, reshape, sum } from "../elementary.ts";
import type { Node, OperationNode, Tensor } from "../graph.ts";
import { bind } from "../graph.ts";
import { sizeOf } from "../program.ts";
import { nodesBehind } from "../walk.ts";
import { TensorMap } from "../tensorMap.ts";

export interface Totals {
  /** For each flow what remains to be summed in the loop, if anything does. */
  readonly carried: readonly (Tensor | undefined)[];
  /** Values of each step that are needed as stacks. */
  readonly stacked: readonly Tensor[];
  /** The sums, from those of `carried` and the stacks. */
  finish(carried: readonly (Tensor | undefined)[], stacks: readonly Tensor[]): Tensor[];
}

/** A term of a sum: views of what `core` computes. */
interface Term {
  readonly core: Tensor;
  /** Outermost first. */
  readonly views: readonly View[];
}

type View = Extract<OperationNode, { primitive: "reshape" | "transpose" }>;
type Product = Extract<OperationNode, { primitive: "dot" | "convKernelGradient" | "scatterAdd" }>;

/** Operands that are this much larger than their product gain nothing from being stacked. */
const largestOperands = 16;

/** @param varying the inputs of a step that differ between steps */
export function totalsOf(flows: readonly Tensor[], varying: readonly Tensor[]): Totals {
  const isVarying = dependence(flows, varying);
  const terms = flows.map((flow) => addends(flow).map(peeled));
  const stacked = new TensorMap<Tensor>();
  for (const { core } of terms.flat()) {
    const product = productOf(core, isVarying);
    for (const operand of product ? operandsOf(product) : []) stacked.set(operand, operand);
  }
  const isAfter = ({ core }: Term) =>
    productOf(core, isVarying) !== undefined || stacked.get(summand(core)) !== undefined;
  const order = [...stacked.values()];
  return {
    carried: terms.map((own) =>
      total(own.filter((term) => !isAfter(term)).map(({ core, views }) => viewed(core, views))),
    ),
    stacked: order,
    finish: (carried, stacks) => {
      const stackOf = new TensorMap<Tensor>();
      order.forEach((tensor, i) => {
        stackOf.set(tensor, stacks[i]!);
      });
      return terms.map((own, i) => {
        const after = own.filter(isAfter).map(({ core, views }) => {
          const product = productOf(core, isVarying);
          return viewed(product ? productOverTime(product, stackOf) : sumOverTime(core, stackOf), views);
        });
        const rest = carried[i];
        return total(rest ? [...after, rest] : after)!;
      });
    },
  };
}

const total = (terms: readonly Tensor[]): Tensor | undefined =>
  terms.length > 0 ? terms.reduce((left, right) => add(left, right)) : undefined;

function dependence(results: readonly Tensor[], inputs: readonly Tensor[]): (tensor: Tensor) => boolean {
  const dependent = new Set<Node>(inputs.map(({ node }) => node));
  for (const node of nodesBehind(results, ({ node: leaf }) => dependent.has(leaf))) {
    if (node.kind === "operation" && node.inputs.some((input) => dependent.has(input.node))) dependent.add(node);
  }
  return ({ node }) => dependent.has(node);
}

/** The terms of a sum of sums. */
function addends(flow: Tensor): Tensor[] {
  const terms: Tensor[] = [];
  const open = [flow];
  for (let term = open.pop(); term; term = open.pop()) {
    if (term.node.kind === "operation" && term.node.primitive === "add") open.push(...term.node.inputs.toReversed());
    else terms.push(term);
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

const viewed = (core: Tensor, views: readonly View[]): Tensor =>
  views.reduceRight(
    (x, view) =>
      view.primitive === "reshape" ? bind("reshape", [x], view.params) : bind("transpose", [x], view.params),
    core,
  );

/** The product that a term is, if it is one worth leaving until after the loop. */
function productOf({ node, size }: Tensor, isVarying: (tensor: Tensor) => boolean): Product | undefined {
  if (node.kind !== "operation") return undefined;
  const { primitive, inputs } = node;
  if (primitive !== "dot" && primitive !== "convKernelGradient" && primitive !== "scatterAdd") return undefined;
  if (primitive === "scatterAdd" && !isZero(inputs[0]!)) return undefined;
  const operands = operandsOf(node);
  const elements = operands.reduce((count, operand) => count + operand.size, 0);
  return operands.every(isVarying) && elements <= largestOperands * size ? node : undefined;
}

const operandsOf = ({ primitive, inputs }: Product): readonly Tensor[] =>
  primitive === "scatterAdd" ? inputs.slice(1) : inputs;

const isZero = ({ node }: Tensor) =>
  node.kind === "operation" && node.primitive === "constant" && node.params.value === 0;

function productOverTime({ primitive, inputs, params }: Product, stackOf: TensorMap<Tensor>): Tensor {
  const [x, y] = (primitive === "scatterAdd" ? inputs.slice(1) : inputs).map((operand) => stackOf.get(operand)!);
  if (!x || !y) throw new Error(`${primitive} over time has too few operands`);
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

/** Time and batch as one axis. */
const joined = (x: Tensor): Tensor => reshape(x, [sizeOf(x.shape.slice(0, 2)), ...x.shape.slice(2)]);

/** What a term adds up within a step: the operand of a `sum`, else itself. */
function summand(core: Tensor): Tensor {
  const { node } = core;
  return node.kind === "operation" && node.primitive === "sum" ? node.inputs[0]! : core;
}

function sumOverTime(core: Tensor, stackOf: TensorMap<Tensor>): Tensor {
  const stack = stackOf.get(summand(core))!;
  const { node } = core;
  const within = node.kind === "operation" && node.primitive === "sum" ? node.params.axes : [];
  return sum(stack, [0, ...within.map((axis) => axis + 1)]);
}
