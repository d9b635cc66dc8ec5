/** Batching of the lazy graph: what depends on a mapped tensor is computed for all examples at once, the rest once. */
import { contractionBatching } from "./batching/contraction.ts";
import { elementwiseBatching } from "./batching/elementwise.ts";
import type { Batched, BatchingRule } from "./batching/rule.ts";
import { scanBatching } from "./batching/scan.ts";
import { shapeBatching } from "./batching/shape.ts";
import type { Node, OperationNode } from "./graph.ts";
import type { Tensor } from "./graph.ts";
import type { Primitive } from "./program.ts";
import { nodesBehind } from "./walk.ts";

/**
 * `outputs` for every example of a batch.
 *
 * @param mapped each placeholder that stands for one example, with the tensor of all examples along its axis 0
 * @param size number of examples
 */
export function vectorise(
  outputs: readonly Tensor[],
  mapped: readonly (readonly [example: Tensor, batch: Tensor])[],
  size: number,
): Batched[] {
  const results = new Map<Node, readonly Batched[]>();
  for (const [example, batch] of mapped) results.set(example.node, [{ tensor: batch, batched: true }]);
  const batchedOf = (tensor: Tensor): Batched =>
    results.get(tensor.node)?.[tensor.output] ?? { tensor, batched: false };
  for (const node of nodesBehind(outputs, ({ node: leaf }) => results.has(leaf))) {
    if (node.kind !== "operation") continue;
    const inputs = node.inputs.map(batchedOf);
    if (inputs.some(({ batched }) => batched)) results.set(node, batchNode(node, inputs, size));
  }
  return outputs.map(batchedOf);
}

function batchNode(node: OperationNode, inputs: readonly Batched[], size: number): readonly Batched[] {
  if (node.primitive === "scan") return rules.scan({ inputs, params: node.params, size });
  const rule = rules[node.primitive] as BatchingRule<Single>;
  return [{ tensor: rule({ inputs, params: node.params, size }), batched: true }];
}

type Single = Exclude<Primitive, "scan">;

const rules: { readonly [P in Primitive]: BatchingRule<P> } = {
  ...elementwiseBatching,
  ...shapeBatching,
  ...contractionBatching,
  scan: scanBatching(vectorise),
};
