/** What a traced function uses from outside: the tensors that must be handed to its Program as inputs. */
import type { Node, Tensor } from "./graph.ts";
import { nodesBehind } from "./walk.ts";

/**
 * The tensors behind `outputs` that are needed beside `inputs`: known values, arguments of outer traces, and whatever is
 * computed from them alone, so that a loop does not compute it again in every step. What comes from constants only stays
 * inside, and so do broadcasts, which cost nothing there.
 */
export function capturedBy(outputs: readonly Tensor[], inputs: readonly Tensor[]): Tensor[] {
  const own = new Set<Node>(inputs.map(({ node }) => node));
  const outside = new Set<Node>();
  const nodes = nodesBehind(outputs, ({ node }) => own.has(node));
  for (const node of nodes) {
    if (node.kind !== "operation") outside.add(node);
    else if (node.inputs.some((input) => own.has(input.node))) own.add(node);
    else if (node.inputs.some((input) => outside.has(input.node))) outside.add(node);
  }
  const found = new Map<Node, Map<number, Tensor>>();
  const capture = (tensor: Tensor) => {
    if (!outside.has(tensor.node)) return;
    const source = withoutBroadcasts(tensor);
    const outputsOfNode = found.get(source.node) ?? new Map<number, Tensor>();
    found.set(source.node, outputsOfNode.set(source.output, source));
  };
  for (const node of nodes) if (node.kind === "operation" && own.has(node)) node.inputs.forEach(capture);
  outputs.forEach(capture);
  return [...found.values()].flatMap((tensors) => [...tensors.values()]);
}

function withoutBroadcasts(tensor: Tensor): Tensor {
  for (let source = tensor; ;) {
    const { node } = source;
    const [operand] = node.kind === "operation" && node.primitive === "broadcast" ? node.inputs : [];
    if (!operand) return source;
    source = operand;
  }
}
