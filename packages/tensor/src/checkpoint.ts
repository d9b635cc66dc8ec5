/** Rematerialisation: functions whose gradient computes them again instead of keeping what they computed. */
import { capturedBy } from "./capture.ts";
import { bindAll, placeholder } from "./graph.ts";
import { toProgram } from "./trace.ts";
import { flatten, unflatten } from "./tree.ts";

/**
 * `fn`, of which a gradient keeps nothing but the arguments: what it needs of the intermediates it computes again when it
 * comes to them. A chain of n checkpointed pieces holds one piece's intermediates at a time, for one more forward pass.
 *
 * ```ts
 * const deep = (x: Tensor) => layers.reduce((y, layer) => checkpoint(layer)(y), x);
 * ```
 *
 * @param fn pure, of trees of tensors; tensors that it reads from outside are differentiated as well
 * @throws {TraceError} when called with anything but trees of tensors
 */
export function checkpoint<Args extends readonly unknown[], R>(fn: (...args: Args) => R): (...args: Args) => R {
  return (...args) => {
    const given = flatten(args, "checkpoint: arguments ");
    const inside = given.leaves.map(placeholder);
    const result = flatten(fn(...(unflatten(given.structure, inside) as unknown as Args)), "checkpoint: the result");
    const captured = capturedBy(result.leaves, inside);
    const body = toProgram(result.leaves, [...inside, ...captured]);
    return unflatten(result.structure, bindAll("call", [...given.leaves, ...captured], { body, recompute: true })) as R;
  };
}
