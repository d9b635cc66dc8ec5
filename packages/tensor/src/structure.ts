/** The structure of a graph as text: graphs that differ only in the values of their data have one text. */
import { TraceError } from "./errors.ts";
import type { Node, Tensor } from "./graph.ts";
import { typeText } from "./program.ts";
import { paramsText } from "./programText.ts";
import { nodesBehind } from "./walk.ts";

/**
 * @returns a key that is equal for graphs of equal structure, and the tensors that are their data, each once, in the
 *   order of their first use
 * @throws {TraceError} when the graph needs an argument that has no value
 */
export function structureOf(outputs: readonly Tensor[]): { key: string; leaves: Tensor[] } {
  const numbers = new Map<Node, number>();
  const leaves: Tensor[] = [];
  const parts: string[] = [];
  const name = (tensor: Tensor): string => {
    const { node } = tensor;
    if (node.kind === "data" && !numbers.has(node)) {
      numbers.set(node, numbers.size);
      leaves.push(tensor);
      parts.push(typeText(tensor));
    }
    return `${numbers.get(node) ?? "?"}.${tensor.output}`;
  };
  for (const node of nodesBehind(outputs, ({ node }) => node.kind === "data")) {
    if (node.kind !== "operation") {
      const types = outputs.map(typeText).join(", ");
      throw new TraceError(
        `expected a tensor with a value, got ${types} inside a traced function, where arguments have a shape but no values yet; ` +
          "return it from the function and read it there",
      );
    }
    const inputs = node.inputs.map(name).join();
    parts.push(`${node.primitive}${paramsText(node)}(${inputs})`);
    numbers.set(node, numbers.size);
  }
  parts.push(outputs.map(name).join());
  return { key: parts.join(";"), leaves };
}
