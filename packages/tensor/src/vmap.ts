/** Batching of functions: written for one example, run on all of them at once. */
import { moveAxis } from "./elementary.ts";
import { ShapeError } from "./errors.ts";
import type { Tensor } from "./graph.ts";
import { placeholder } from "./graph.ts";
import type { Batched } from "./batching/rule.ts";
import { stacked } from "./batching/rule.ts";
import { typeText } from "./program.ts";
import { flatten, unflatten } from "./tree.ts";
import { vectorise } from "./vectorise.ts";

/** The batch axis of an argument or a result; `null` for what all examples share. */
export type BatchAxis = number | null;

export interface VmapOptions {
  /** For all arguments, or one entry for each; default 0. A shared argument may be anything, a mapped one is a tree of tensors. */
  readonly in?: BatchAxis | readonly BatchAxis[];
  /** For all results, or one entry for each of an array of them; default 0. */
  readonly out?: BatchAxis | readonly BatchAxis[];
}

/**
 * The function applied to every example along the batch axes. There is no loop: each primitive works on all examples.
 *
 * ```ts
 * const perExampleGradients = vmap(grad(loss), { in: [null, 0, 0] });
 * ```
 *
 * @throws {ShapeError} when called: if batch sizes differ, or a result that `out` calls shared is not
 */
export function vmap<Args extends readonly unknown[], R>(
  fn: (...args: Args) => R,
  options: VmapOptions = {},
): (...args: Args) => R {
  return (...args) => {
    const axes = args.map((_, i) => axisFor(options.in, i));
    const mapped: [example: Tensor, batch: Tensor][] = [];
    const examples = args.map((argument, i) => {
      const axis = axes[i] ?? null;
      if (axis === null) return argument;
      const { leaves, structure } = flatten(argument, `vmap: argument ${i}`);
      const stands = leaves.map((leaf) => {
        const batch = moveAxis(leaf, resolveAxis(leaf, axis, leaf.rank), 0);
        const example = placeholder({ shape: batch.shape.slice(1), dtype: batch.dtype });
        mapped.push([example, batch]);
        return example;
      });
      return unflatten(structure, stands);
    });
    const size = batchSize(mapped.map(([, batch]) => batch));
    const result: unknown = fn(...(examples as unknown as Args));
    const { leaves, structure } = flatten(result, "vmap: the result");
    const outAxes = resultAxes(result, options.out);
    const batched = vectorise(
      leaves,
      mapped.map(([example, tensor]) => [example, { tensor, batched: true }]),
      size,
    );
    return unflatten(
      structure,
      batched.map((leaf, i) => place(leaf, outAxes[i] ?? null, size)),
    ) as R;
  };
}

const axisFor = (axes: VmapOptions["in"], position: number): BatchAxis => {
  if (typeof axes !== "object" || axes === null) return axes === undefined ? 0 : axes;
  const axis = axes[position];
  if (axis === undefined)
    throw new ShapeError(`vmap: no batch axis is given for position ${position}; got ${axes.length}`);
  return axis;
};

/** The batch axis of every leaf of the result. */
function resultAxes(result: unknown, out: VmapOptions["out"]): BatchAxis[] {
  const parts: readonly unknown[] =
    typeof out === "object" && out !== null && Array.isArray(result) ? result : [result];
  return parts.flatMap((part, i) => flatten(part).leaves.map(() => axisFor(out, i)));
}

function batchSize(batches: readonly Tensor[]): number {
  const sizes = [...new Set(batches.map(({ shape }) => shape[0]))];
  const [size] = sizes;
  if (size === undefined) throw new ShapeError("vmap: no argument has a batch axis; give at least one in `in`");
  if (sizes.length > 1) {
    throw new ShapeError(
      `vmap: batch sizes differ, ${sizes.join(" and ")}; mapped arguments must hold the same examples`,
    );
  }
  return size;
}

function resolveAxis(tensor: Tensor, axis: number, rank: number): number {
  const resolved = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || resolved < 0 || resolved >= rank) {
    throw new ShapeError(`vmap: batch axis ${axis} is outside ${typeText(tensor)}; mark shared arguments with null`);
  }
  return resolved;
}

function place(result: Batched, axis: BatchAxis, size: number): Tensor {
  if (axis !== null) {
    const tensor = stacked(result, size);
    return moveAxis(tensor, 0, resolveAxis(tensor, axis, tensor.rank));
  }
  if (!result.batched) return result.tensor;
  throw new ShapeError(
    `vmap: a result marked as shared (null) differs between examples, ${typeText(result.tensor)}; give its axis`,
  );
}
