/** Reverse-mode differentiation of the lazy graph: cotangents flow back from results to the leaves they depend on. */
import { isFloat } from "./dtype.ts";
import { add } from "./elementary.ts";
import type { Node, OperationNode } from "./graph.ts";
import { Tensor } from "./graph.ts";
import type { ManyResults, OneResult } from "./program.ts";
import { callRule } from "./vjp/call.ts";
import { contractionRules } from "./vjp/contraction.ts";
import { elementwiseRules } from "./vjp/elementwise.ts";
import { reductionRules } from "./vjp/reduction.ts";
import type { ManyVjpRule, VjpRule } from "./vjp/rule.ts";
import { scanRule } from "./vjp/scan.ts";
import { shapeRules } from "./vjp/shape.ts";
import { windowRules } from "./vjp/window.ts";
import { nodesBehind } from "./walk.ts";

/**
 * Σ cotangent · ∂output/∂leaf for each leaf, as a graph; `undefined` where no output depends on the leaf.
 *
 * @param cotangents one for each output, of its type; `undefined` counts as zero
 * @param leaves tensors on which the outputs depend; what lies behind them is not looked at
 */
export function pullback(
  outputs: readonly Tensor[],
  cotangents: readonly (Tensor | undefined)[],
  leaves: readonly Tensor[],
): (Tensor | undefined)[] {
  const leafNodes = new Set(leaves.map(({ node }) => node));
  const nodes = nodesBehind(outputs, ({ node }) => leafNodes.has(node));
  const dependent = new Set<Node>(leafNodes);
  const flows = (tensor: Tensor) => isFloat(tensor.dtype) && dependent.has(tensor.node);
  for (const node of nodes) if (node.kind === "operation" && node.inputs.some(flows)) dependent.add(node);

  const arrived = new Map<Node, (Tensor | undefined)[]>();
  const send = (target: Tensor | undefined, cotangent: Tensor | undefined) => {
    if (!target || !cotangent || !flows(target)) return;
    const slots = arrived.get(target.node) ?? [];
    const earlier = slots[target.output];
    slots[target.output] = earlier ? add(earlier, cotangent) : cotangent;
    arrived.set(target.node, slots);
  };
  outputs.forEach((output, i) => {
    send(output, cotangents[i]);
  });
  for (const node of nodes.toReversed()) {
    const results = arrived.get(node);
    if (!results || node.kind !== "operation") continue;
    arrived.delete(node);
    cotangentsOfInputs(node, results, node.inputs.map(flows)).forEach((cotangent, i) => {
      send(node.inputs[i], cotangent);
    });
  }
  return leaves.map((leaf) => arrived.get(leaf.node)?.[leaf.output]);
}

function cotangentsOfInputs(
  node: OperationNode,
  results: readonly (Tensor | undefined)[],
  wanted: readonly boolean[],
): readonly (Tensor | undefined)[] {
  if (node.primitive === "scan") return rules.scan(results, { inputs: node.inputs, params: node.params, node, wanted });
  if (node.primitive === "call") return rules.call(results, { inputs: node.inputs, params: node.params, node, wanted });
  const [dy] = results;
  const [type] = node.outputs;
  if (!dy || !type) return [];
  const rule = rules[node.primitive] as VjpRule<OneResult>;
  const { inputs, params } = node;
  return rule(dy, { inputs, params, output: new Tensor(type, node) });
}

const rules: { readonly [P in OneResult]: VjpRule<P> } & { readonly [P in ManyResults]: ManyVjpRule<P> } = {
  ...elementwiseRules,
  ...reductionRules,
  ...shapeRules,
  ...contractionRules,
  ...windowRules,
  scan: scanRule(pullback),
  call: callRule(pullback),
};
