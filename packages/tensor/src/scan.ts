/** Loops over tensors, as one primitive: traced once, whatever the number of steps. */
import { ShapeError, TraceError } from "./errors.ts";
import type { Tensor } from "./graph.ts";
import { placeholder } from "./graph.ts";
import { bindLoop } from "./loop/bindLoop.ts";
import { typeText } from "./program.ts";
import type { FlatTree } from "./tree.ts";
import { flatten, structureText, unflatten } from "./tree.ts";

export interface ScanOptions {
  /** Number of steps; needed only where `xs` is undefined. */
  readonly length?: number;
  /** Runs from the last slice to the first; the outputs keep the order of `xs`. Default false. */
  readonly reverse?: boolean;
}

/**
 * Runs `step` along axis 0 of `xs`, handing the carry on, and stacks what each step gives out.
 *
 * ```ts
 * const [sum, sums] = scan((total, x) => [total.add(x), total], tensor(0), tensor([1, 2, 3])); // 6 and [0, 1, 3]
 * ```
 *
 * @param step (carry, slice) → [carry, output]: trees of tensors; slices and outputs may be undefined. It may use tensors
 *   from outside, also ones that are differentiated or batched.
 * @param init the first carry; each step must keep its structure, shapes and dtypes
 * @throws {ShapeError | TraceError} when lengths differ or the carry changes
 */
export function scan<Carry, X, Y>(
  step: (carry: Carry, x: X) => readonly [carry: Carry, output: Y],
  init: Carry,
  xs: X,
  { length, reverse = false }: ScanOptions = {},
): [carry: Carry, outputs: Y] {
  const first = flattenOptional(init, "scan: the first carry");
  const slices = flattenOptional(xs, "scan: xs");
  const steps = stepsOf(slices.leaves, length);

  const carryIn = first.leaves.map(placeholder);
  const sliceIn = slices.leaves.map(({ shape, dtype }) => placeholder({ shape: shape.slice(1), dtype }));
  const [next, output] = step(rebuild(first, carryIn) as Carry, rebuild(slices, sliceIn) as X);
  const carryOut = flattenOptional(next, "scan: the carry returned");
  const given = flattenOptional(output, "scan: the output");
  const [was, is] = [textOf(first), textOf(carryOut)];
  if (was !== is) throw new TraceError(`scan: the carry enters as ${was} and leaves as ${is}; keep its structure`);

  const loop = bindLoop({
    constants: [],
    carry: carryIn.map((inside, i) => ({ inside, outside: first.leaves[i] as Tensor })),
    slices: sliceIn.map((inside, i) => ({ inside, outside: slices.leaves[i] as Tensor })),
    next: carryOut.leaves,
    outputs: given.leaves,
    length: steps,
    reverse,
  });
  return [rebuild(first, loop.carry) as Carry, rebuild(given, loop.outputs) as Y];
}

interface OptionalTree {
  readonly leaves: readonly Tensor[];
  readonly structure: FlatTree["structure"] | undefined;
}

const flattenOptional = (tree: unknown, role: string): OptionalTree =>
  tree === undefined || tree === null ? { leaves: [], structure: undefined } : flatten(tree, role);

const rebuild = ({ structure }: OptionalTree, leaves: readonly Tensor[]): unknown =>
  structure ? unflatten(structure, leaves) : undefined;

const textOf = ({ structure }: OptionalTree): string => (structure ? structureText(structure) : "nothing");

function stepsOf(slices: readonly Tensor[], length: number | undefined): number {
  const steps = length ?? slices[0]?.shape[0];
  if (steps === undefined)
    throw new ShapeError("scan: the number of steps is not known; give xs an axis 0 or pass `length`");
  for (const leaf of slices) {
    if (leaf.shape[0] !== steps)
      throw new ShapeError(`scan: expected ${steps} steps along axis 0, got ${typeText(leaf)}`);
  }
  return steps;
}
