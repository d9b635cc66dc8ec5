/** Binding of `scan` so that its gradient finds what it needs. */
import type { Tensor } from "./graph.ts";
import { bindAll } from "./graph.ts";
import type { ScanParams } from "./program.ts";

/**
 * The loop as a graph node, with the carry before each step as further results after its own. Tracing drops those that
 * nobody reads; a gradient reads them instead of running the loop again.
 */
export function bindLoop(params: ScanParams, inputs: readonly Tensor[]): Tensor[] {
  const { body, constants, carry } = params;
  const before = Array.from({ length: carry }, (_, i) => constants + i);
  return bindAll("scan", inputs, { ...params, body: { ...body, outputs: [...body.outputs, ...before] } });
}
