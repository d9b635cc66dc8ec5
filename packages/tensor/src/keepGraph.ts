/** Tensors that are computed let go of the graph behind them, but not while a function is being differentiated. */
import type { DataNode, Node, Tensor } from "./graph.ts";

interface Settled {
  readonly tensor: Tensor;
  readonly node: Node;
  readonly output: number;
}

/** Tensors computed since the innermost `keepingGraph` began, with what was behind them. */
let settled: Settled[] | undefined;

/** Whether a function is being differentiated, so that values must stay connected to what they were computed from. */
export const isKeepingGraph = (): boolean => settled !== undefined;

/** The tensor's value is known now. */
export function settle(tensor: Tensor, value: DataNode["value"]): void {
  settled?.push({ tensor, node: tensor.node, output: tensor.output });
  tensor.node = { kind: "data", value };
  tensor.output = 0;
}

/** Runs a function that may read tensors; afterwards they are connected again to what they were computed from. */
export function keepingGraph<R>(run: () => R): R {
  const outer = settled;
  const own: Settled[] = [];
  settled = own;
  try {
    return run();
  } finally {
    settled = outer;
    for (const { tensor, node, output } of own) {
      tensor.node = node;
      tensor.output = output;
    }
  }
}
