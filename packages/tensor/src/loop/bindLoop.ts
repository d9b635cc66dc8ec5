/**
 * From the graph of one step to a `scan`. What a step computes from outer tensors alone is computed once, before the loop;
 * expensive work on slices alone (a product of the input with weights) is done for all steps at once, before the loop.
 */
import { stacked } from "../batching/rule.ts";
import { capturedBy } from "../capture.ts";
import type { Node, Tensor } from "../graph.ts";
import { bindAll } from "../graph.ts";
import { sizeOf } from "../program.ts";
import { toProgram } from "../trace.ts";
import { vectorise } from "../vectorise.ts";
import { nodesBehind } from "../walk.ts";
import { isBatchable } from "./expense.ts";
import { TensorMap } from "../tensorMap.ts";

/** A tensor at which the graph of a step is cut, and what the loop puts there. */
export interface LoopInput {
  readonly inside: Tensor;
  readonly outside: Tensor;
}

/** One step, as a graph between its inputs and its results. Outer tensors may also be used directly. */
export interface LoopGraph {
  readonly constants: readonly LoopInput[];
  /** `outside` is the carry before the first step. */
  readonly carry: readonly LoopInput[];
  /** `outside` is stacked along axis 0. */
  readonly slices: readonly LoopInput[];
  /** The carry after the step. */
  readonly next: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly length: number;
  readonly reverse: boolean;
}

export interface LoopResults {
  readonly carry: readonly Tensor[];
  /** Stacked along axis 0. */
  readonly outputs: readonly Tensor[];
}

export function bindLoop(graph: LoopGraph): LoopResults {
  const { carry, next, length, reverse } = graph;
  const ahead = beforeLoop(graph);
  const slices = [...graph.slices, ...ahead];
  const known = new TensorMap<Tensor>();
  for (const { inside, outside } of slices) known.set(inside, outside);
  const emitted = new TensorMap<Tensor>();
  for (const output of graph.outputs) if (!known.get(output)) emitted.set(output, output);

  const varying = [...carry, ...slices].map(({ inside }) => inside);
  const outputs = [...emitted.values()];
  const results = [...next, ...outputs];
  const captured = capturedBy(results, varying);
  const body = toProgram(results, [...captured, ...varying]);
  const operands = [
    ...outsideOf(graph, captured),
    ...carry.map(({ outside }) => outside),
    ...slices.map(({ outside }) => outside),
  ];
  const params = { body, length, constants: captured.length, carry: carry.length, reverse };
  const loop = results.length > 0 ? bindAll("scan", operands, params) : [];
  outputs.forEach((output, i) => {
    known.set(output, loop[carry.length + i]!);
  });
  return { carry: loop.slice(0, carry.length), outputs: graph.outputs.map((output) => known.get(output)!) };
}

/** Values computed from constants, with what the constants stand for in them. */
function outsideOf({ constants }: LoopGraph, values: readonly Tensor[]): Tensor[] {
  const mapped = standIns(constants).map(
    ({ inside, outside }) => [inside, { tensor: outside, batched: false }] as const,
  );
  return vectorise(values, mapped, 1).map(({ tensor }) => tensor);
}

const standIns = (inputs: readonly LoopInput[]) => inputs.filter(({ inside, outside }) => inside !== outside);

/**
 * Values of slices alone that are worth computing for all steps at once, each with its stack. A loop without carry has none:
 * it is there to do one step after the other.
 */
function beforeLoop(graph: LoopGraph): LoopInput[] {
  const { constants, carry, slices, length } = graph;
  if (carry.length === 0) return [];
  const values = valuesAhead(graph);
  if (values.length === 0) return [];
  const mapped = [
    ...standIns(constants).map(({ inside, outside }) => [inside, { tensor: outside, batched: false }] as const),
    ...slices.map(({ inside, outside }) => [inside, { tensor: outside, batched: true }] as const),
  ];
  const stacks = vectorise(values, mapped, length);
  return values.map((inside, i) => ({ inside, outside: stacked(stacks[i]!, length) }));
}

/** Results of expensive operations on slices, taken as far as cheap operations do not make them larger. */
function valuesAhead({ carry, slices, next, outputs }: LoopGraph): Tensor[] {
  const results = [...next, ...outputs];
  const inSlices = new TensorMap<true>();
  for (const { inside } of slices) inSlices.set(inside, true);
  const onCarry = new Set<Node>(carry.map(({ inside }) => inside.node));
  const onSlices = new Set<Node>();
  const ahead = new Set<Node>();
  const found = new TensorMap<Tensor>();
  const isLeaf = (tensor: Tensor) => onCarry.has(tensor.node) || inSlices.get(tensor) === true;
  for (const node of nodesBehind(results, isLeaf)) {
    if (node.kind !== "operation") continue;
    const isSlice = (input: Tensor) => inSlices.get(input) === true || onSlices.has(input.node);
    const isAhead = (input: Tensor) => inSlices.get(input) !== true && ahead.has(input.node);
    if (node.inputs.some((input) => inSlices.get(input) !== true && onCarry.has(input.node))) onCarry.add(node);
    else if (node.inputs.some(isSlice)) onSlices.add(node);
    const from = node.inputs.filter(isAhead);
    const largest = Math.max(0, ...from.map(({ size }) => size));
    const grows = node.outputs.some(({ shape }) => sizeOf(shape) > largest);
    if (onSlices.has(node) && (isBatchable(node.primitive) || (from.length > 0 && !grows))) ahead.add(node);
    else for (const input of from) found.set(input, input);
  }
  for (const result of results) if (inSlices.get(result) !== true && ahead.has(result.node)) found.set(result, result);
  return [...found.values()];
}
