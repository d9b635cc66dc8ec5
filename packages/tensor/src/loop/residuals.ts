/**
 * What a loop should keep of each step for its gradient: the fewest bytes from which all that the backward step reads can be
 * computed cheaply. A minimum cut in the graph of the step, as in the partitioner of PyTorch's functorch.
 */
import { bytesPerElement } from "../dtype.ts";
import type { Node, Tensor } from "../graph.ts";
import { nodesBehind } from "../walk.ts";
import { isCheap } from "./expense.ts";
import type { CutVertex } from "./minimumCut.ts";
import { minimumCut } from "./minimumCut.ts";
import { TensorMap } from "../tensorMap.ts";

export interface ResidualRequest {
  /** What the backward step computes. */
  readonly backward: readonly Tensor[];
  /** Where cotangents enter it. */
  readonly cotangents: readonly Tensor[];
  /** What the forward step computes, and from what beside constants. */
  readonly forward: readonly Tensor[];
  readonly carry: readonly Tensor[];
  readonly slices: readonly Tensor[];
}

interface Vertex extends CutVertex {
  readonly tensor: Tensor;
  readonly next: number[];
  isSink: boolean;
}

/** The tensors of the forward step to keep; the backward graph is to be cut at them, and at slices, which are there anyway. */
export function residualsOf(request: ResidualRequest): Tensor[] {
  const { backward, cotangents, forward, carry, slices } = request;
  const graph = new KeepingGraph(forward);
  const late = new Set<Node>(cotangents.map(({ node }) => node));
  const given = new Set<Node>(slices.map(({ node }) => node));
  const varying = new Set<Node>(carry.map(({ node }) => node));
  const isVarying = ({ node }: Tensor) => varying.has(node);
  for (const node of nodesBehind(backward, () => false)) {
    if (node.kind !== "operation") continue;
    const operands = node.inputs.filter(isVarying).map((input) => graph.vertexOf(input));
    if (node.inputs.some((input) => late.has(input.node))) {
      late.add(node);
      for (const vertex of operands) vertex.isSink = true;
    } else if (operands.length > 0 || node.inputs.some((input) => given.has(input.node))) {
      (operands.length > 0 || graph.isFixed(node) ? varying : given).add(node);
      graph.setOperands(node, operands);
    }
  }
  for (const result of backward) if (isVarying(result)) graph.vertexOf(result).isSink = true;
  return minimumCut(graph.vertices).map((v) => graph.vertices[v]!.tensor);
}

/** What each value costs to keep, and what it can be computed from. */
class KeepingGraph {
  readonly vertices: Vertex[] = [];
  readonly #forward: ReadonlySet<Node>;
  readonly #results = new TensorMap<Tensor>();
  readonly #numbers = new TensorMap<{ readonly index: number }>();
  readonly #operands = new Map<Node, readonly Vertex[]>();

  constructor(forward: readonly Tensor[]) {
    this.#forward = new Set(nodesBehind(forward, () => false));
    for (const result of forward) this.#results.set(result, result);
  }

  /** Whether a value of the node is there only if the forward step keeps it, or something computed from it. */
  isFixed(node: Node): boolean {
    return this.#forward.has(node) && (node.kind !== "operation" || !isCheap(node.primitive));
  }

  setOperands(node: Node, operands: readonly Vertex[]): void {
    this.#operands.set(node, operands);
  }

  vertexOf(tensor: Tensor): Vertex {
    const known = this.#numbers.get(tensor);
    if (known) return this.vertices[known.index]!;
    const index = this.vertices.length;
    const isSource = this.isFixed(tensor.node);
    const bytes = tensor.size * bytesPerElement[tensor.dtype];
    const weight = !this.#forward.has(tensor.node) ? Infinity : this.#results.get(tensor) ? 0.5 : Math.max(1, bytes);
    const vertex: Vertex = { tensor, weight, isSource, isSink: false, next: [] };
    if (!isSource) for (const operand of this.#operands.get(tensor.node) ?? []) operand.next.push(index);
    this.#numbers.set(tensor, { index });
    this.vertices.push(vertex);
    return vertex;
  }
}
