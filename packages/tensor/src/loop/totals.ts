/**
 * Sums over the steps of a loop, such as the gradient of weights that every step uses. A product of two values of each step
 * is not summed step by step: its operands are stacked, and one contraction over time and all follows the loop.
 */
import { add, sum } from "../elementary.ts";
import type { Node, Tensor } from "../graph.ts";
import { TensorMap } from "../tensorMap.ts";
import { nodesBehind } from "../walk.ts";
import type { Term } from "./products.ts";
import { operandsOf, productOf, productOverAll, termsOf, viewed } from "./products.ts";

export interface Totals {
  /** For each flow what remains to be summed in the loop, if anything does. */
  readonly carried: readonly (Tensor | undefined)[];
  /** Values of each step that are needed as stacks. */
  readonly stacked: readonly Tensor[];
  /** The sums, from those of `carried` and the stacks. */
  finish(carried: readonly (Tensor | undefined)[], stacks: readonly Tensor[]): Tensor[];
}

/** @param varying the inputs of a step that differ between steps */
export function totalsOf(flows: readonly Tensor[], varying: readonly Tensor[]): Totals {
  const isVarying = dependence(flows, varying);
  const terms = flows.map(termsOf);
  const stacked = new TensorMap<Tensor>();
  for (const { core } of terms.flat()) {
    const product = productOf(core, isVarying);
    for (const operand of product ? operandsOf(product) : []) stacked.set(operand, operand);
  }
  // Of what is stacked for a product anyway, sums are taken after the loop as well.
  const isAfter = ({ core }: Term) => productOf(core, isVarying) ?? stacked.get(summand(core));
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
          if (!product) return viewed(sumOverTime(core, stackOf), views);
          const [x, y] = operandsOf(product);
          return viewed(productOverAll(product, [stackOf.get(x)!, stackOf.get(y)!]), views);
        });
        const rest = carried[i];
        return total(rest ? [...after, rest] : after)!;
      });
    },
  };
}

const total = (terms: readonly Tensor[]): Tensor | undefined =>
  terms.length > 0 ? terms.reduce((left, right) => add(left, right)) : undefined;

/** Which of the tensors behind `results` depend on `inputs`. */
export function dependence(results: readonly Tensor[], inputs: readonly Tensor[]): (tensor: Tensor) => boolean {
  const dependent = new Set<Node>(inputs.map(({ node }) => node));
  for (const node of nodesBehind(results, ({ node: leaf }) => dependent.has(leaf))) {
    if (node.kind === "operation" && node.inputs.some((input) => dependent.has(input.node))) dependent.add(node);
  }
  return ({ node }) => dependent.has(node);
}

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
