/** Functions that bring their own gradient. */
import { capturedBy } from "./capture.ts";
import { isFloat } from "./dtype.ts";
import { zeros } from "./elementary.ts";
import { ShapeError, TraceError } from "./errors.ts";
import type { Tensor } from "./graph.ts";
import { bindAll, placeholder } from "./graph.ts";
import { typeText } from "./program.ts";
import { toProgram } from "./trace.ts";
import type { FlatTree } from "./tree.ts";
import { flatten, structureText, unflatten } from "./tree.ts";

/** What a gradient is computed from beside the cotangent. */
export interface ForwardPass<Args extends readonly unknown[], R> {
  readonly args: Args;
  readonly result: R;
}

/** For each argument its cotangent, of the argument's structure and types; `undefined` for zero. */
export type Cotangents<Args extends readonly unknown[]> = { readonly [K in keyof Args]: Args[K] | undefined };

/**
 * `fn`, whose gradient is what `backward` computes: for numerics that the chain rule does not find, straight-through
 * estimators, gradient clipping within a network. `backward` is made of tensor operations and can be differentiated itself,
 * which is what second derivatives do.
 *
 * ```ts
 * const rounded = customVjp((x: Tensor) => x.round(), (cotangent) => [cotangent]); // straight through
 * ```
 *
 * @param fn pure, of trees of tensors; tensors that it reads from outside count as constants
 * @param backward (cotangent of the result, what was computed) → cotangents of the arguments; linear in the cotangent. Integer
 *   leaves have no cotangent: what is given for them is not read
 * @throws {ShapeError | TraceError} when called: where a cotangent is not of its argument's structure or type
 */
export function customVjp<Args extends readonly unknown[], R>(
  fn: (...args: Args) => R,
  backward: (cotangent: R, pass: ForwardPass<Args, R>) => Cotangents<Args>,
): (...args: Args) => R {
  return (...args) => {
    const given = flatten(args, "customVjp: arguments ");
    const inside = given.leaves.map(placeholder);
    const argsInside = unflatten(given.structure, inside) as unknown as Args;
    const result = flatten(fn(...argsInside), "customVjp: the result");

    const results = result.leaves.map(placeholder);
    const cotangents = result.leaves.map((leaf) => (isFloat(leaf.dtype) ? placeholder(leaf) : zeros(leaf)));
    const arriving = cotangents.filter(({ dtype }) => isFloat(dtype));
    const flown = backward(unflatten(result.structure, cotangents) as R, {
      args: argsInside,
      result: unflatten(result.structure, results) as R,
    });
    const flows = cotangentLeaves(flown, args, given);

    const own = [...inside, ...results, ...arriving];
    const captured = capturedBy([...result.leaves, ...flows], own);
    const inputs = [...inside, ...captured];
    const body = toProgram(result.leaves, inputs);
    const toCaptured = captured.filter(({ dtype }) => isFloat(dtype)).map(zeros);
    const gradient = toProgram([...flows, ...toCaptured], [...inputs, ...results, ...arriving]);
    const operands = [...given.leaves, ...captured];
    return unflatten(result.structure, bindAll("call", operands, { body, backward: gradient, recompute: false })) as R;
  };
}

/** One cotangent for each float leaf of the arguments. */
function cotangentLeaves(flown: readonly unknown[], args: readonly unknown[], given: FlatTree): Tensor[] {
  if (flown.length !== args.length) {
    throw new TraceError(
      `customVjp: expected a cotangent or undefined for each of ${args.length} arguments, got ${flown.length}`,
    );
  }
  const leaves = args.flatMap((arg, i) => {
    const own = flatten(arg);
    if (flown[i] === undefined) return own.leaves.map(zeros);
    const flow = flatten(flown[i], `customVjp: cotangent ${i}`);
    const [expected, got] = [own, flow].map(({ structure }) => structureText(structure));
    if (expected !== got) {
      throw new TraceError(
        `customVjp: cotangent ${i} must have the structure of its argument, ${expected}, got ${got}`,
      );
    }
    return flow.leaves;
  });
  return leaves.filter((leaf, i) => {
    const expected = given.leaves[i] as Tensor;
    if (!isFloat(expected.dtype)) return false;
    if (typeText(leaf) === typeText(expected)) return true;
    throw new ShapeError(
      `customVjp: a cotangent must be of its argument's type, ${typeText(expected)}, got ${typeText(leaf)}; sum or cast it`,
    );
  });
}
