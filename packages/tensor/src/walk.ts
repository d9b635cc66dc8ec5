/** Walks the lazy graph without recursion, so that a graph of any depth fits the stack. */
import type { Node, Tensor } from "./graph.ts";

/**
 * Every node that `outputs` need, each once and after the nodes it reads.
 *
 * @param isLeaf tensors at which the walk stops; their nodes are left out
 */
export function nodesBehind(outputs: readonly Tensor[], isLeaf: (tensor: Tensor) => boolean): Node[] {
  const order: Node[] = [];
  const seen = new Set<Node>();
  const path: { readonly node: Node; readonly inputs: readonly Tensor[]; next: number }[] = [];
  const enter = (tensor: Tensor) => {
    const { node } = tensor;
    if (seen.has(node) || isLeaf(tensor)) return;
    seen.add(node);
    path.push({ node, inputs: node.kind === "operation" ? node.inputs : [], next: 0 });
  };
  for (const output of outputs) {
    enter(output);
    for (let step = path.at(-1); step; step = path.at(-1)) {
      const input = step.inputs[step.next++];
      if (input) {
        enter(input);
      } else {
        order.push(step.node);
        path.pop();
      }
    }
  }
  return order;
}
