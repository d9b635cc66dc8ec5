/** Batching of the lazy graph: what depends on a mapped tensor is computed for all examples at once, the rest once. */
import { callBatching } from "./batching/call.ts";
import { contractionBatching } from "./batching/contraction.ts";
import { elementwiseBatching } from "./batching/elementwise.ts";
import type { Batched, BatchingRule } from "./batching/rule.ts";
import { scanBatching } from "./batching/scan.ts";
import { shapeBatching } from "./batching/shape.ts";
import type { OperationNode } from "./graph.ts";
import type { Tensor } from "./graph.ts";
import { bindAll } from "./graph.ts";
import type { OneResult, Primitive } from "./program.ts";
import { TensorMap } from "./tensorMap.ts";
import { nodesBehind } from "./walk.ts";

/**
 * `outputs` for every example of a batch.
 *
 * @param mapped each tensor that stands for one example, with what stands for all: with a batch axis in front, or shared
 * @param size number of examples
 */
export function vectorise(
  outputs: readonly Tensor[],
  mapped: readonly (readonly [example: Tensor, all: Batched])[],
  size: number,
): Batched[] {
  const results = new TensorMap<Batched>();
  const find = (tensor: Tensor) => results.get(tensor);
  for (const [example, all] of mapped) results.set(example, all);
  const batchedOf = (tensor: Tensor): Batched => find(tensor) ?? { tensor, batched: false };
  for (const node of nodesBehind(outputs, (tensor) => find(tensor) !== undefined)) {
    if (node.kind !== "operation") continue;
    const inputs = node.inputs.map(batchedOf);
    const isBatched = inputs.some(({ batched }) => batched);
    if (!isBatched && inputs.every(({ tensor }, i) => tensor === node.inputs[i])) continue;
    (isBatched ? batchNode(node, inputs, size) : replaced(node, inputs)).forEach((result, output) => {
      if (!results.get({ node, output })) results.set({ node, output }, result);
    });
  }
  return outputs.map(batchedOf);
}

function batchNode(node: OperationNode, inputs: readonly Batched[], size: number): readonly Batched[] {
  if (node.primitive === "scan") return rules.scan({ inputs, params: node.params, size });
  if (node.primitive === "call") return rules.call({ inputs, params: node.params, size });
  const rule = rules[node.primitive] as BatchingRule<OneResult>;
  return [{ tensor: rule({ inputs, params: node.params, size }), batched: true }];
}

/** The node on other operands, which no example has for itself. */
function replaced({ primitive, params }: OperationNode, inputs: readonly Batched[]): Batched[] {
  const operands = inputs.map(({ tensor }) => tensor);
  return bindAll(primitive, operands, params).map((tensor) => ({ tensor, batched: false }));
}

const rules: { readonly [P in Primitive]: BatchingRule<P> } = {
  ...elementwiseBatching,
  ...shapeBatching,
  ...contractionBatching,
  scan: scanBatching(vectorise),
  call: callBatching(vectorise),
};
