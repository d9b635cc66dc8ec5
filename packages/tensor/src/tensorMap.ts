/** A map keyed by what a tensor names: two tensors that name the same result of the same node are one key. */
import type { Node, Tensor } from "./graph.ts";

type Named = Pick<Tensor, "node" | "output">;

export class TensorMap<T> {
  readonly #byNode = new Map<Node, (T | undefined)[]>();
  readonly #values = new Set<T>();

  get({ node, output }: Named): T | undefined {
    return this.#byNode.get(node)?.[output];
  }

  set({ node, output }: Named, value: T): void {
    const known = this.#byNode.get(node) ?? [];
    const before = known[output];
    if (before !== undefined) this.#values.delete(before);
    known[output] = value;
    this.#byNode.set(node, known);
    this.#values.add(value);
  }

  /** In the order in which they were set; values are expected to differ. */
  values(): IterableIterator<T> {
    return this.#values.values();
  }
}
