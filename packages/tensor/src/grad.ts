/** Gradients of functions of tensors: functions again, so they compose with each other and with `vmap` and `compile`. */
import { isFloat } from "./dtype.ts";
import { fill, zeros } from "./elementary.ts";
import { DTypeError, ShapeError, TraceError } from "./errors.ts";
import { Tensor, bind } from "./graph.ts";
import { keepingGraph } from "./keepGraph.ts";
import { typeText } from "./program.ts";
import { pullback } from "./pullback.ts";
import { flatten, unflatten } from "./tree.ts";

/** Which arguments to differentiate by: one position, or several. */
export type Argument = number | readonly number[];

/** The gradient has the structure of the argument: for several, an array of such. */
export type GradientOf<Args extends readonly unknown[], A extends Argument> = A extends readonly number[]
  ? { readonly [K in keyof A]: Args[A[K] & number] }
  : A extends number
    ? Args[A]
    : never;

export interface GradOptions<A extends Argument> {
  /** Default: the first. */
  readonly argument?: A;
}

/**
 * The gradient of a scalar function, by one argument (or several). The argument is a tensor or a tree of tensors, and so is
 * the gradient; other arguments may be anything.
 *
 * ```ts
 * grad((x: Tensor) => x.mul(x).sum())(tensor([1, 2, 3])) // [2, 4, 6]
 * ```
 *
 * @throws {ShapeError | DTypeError} when called: if the function's result is not a float scalar, or a leaf of the argument
 *   is not a float
 */
export function grad<Args extends readonly unknown[], const A extends Argument = 0>(
  fn: (...args: Args) => Tensor,
  options: GradOptions<A> = {},
): (...args: Args) => GradientOf<Args, A> {
  const both = valueAndGrad(fn, options);
  return (...args) => both(...args)[1];
}

/** As `grad`, but returns the function's value too: `const [loss, gradient] = valueAndGrad(f)(parameters, batch)`. */
export function valueAndGrad<Args extends readonly unknown[], const A extends Argument = 0>(
  fn: (...args: Args) => Tensor,
  options: GradOptions<A> = {},
): (...args: Args) => [value: Tensor, gradient: GradientOf<Args, A>] {
  const withAux = valueAuxAndGrad((...args: Args) => [fn(...args), undefined] as const, options);
  return (...args) => {
    const [value, , gradient] = withAux(...args);
    return [value, gradient];
  };
}

/**
 * As `valueAndGrad`, for a function that returns `[value, aux]`: what it computes besides, such as logits or running
 * statistics, comes out as it is.
 */
export function valueAuxAndGrad<Args extends readonly unknown[], Aux, const A extends Argument = 0>(
  fn: (...args: Args) => readonly [value: Tensor, aux: Aux],
  { argument }: GradOptions<A> = {},
): (...args: Args) => [value: Tensor, aux: Aux, gradient: GradientOf<Args, A>] {
  const positions: readonly number[] = typeof argument === "object" ? argument : [argument ?? 0];
  return (...args) => {
    const trees = positions.map((position) => flatten(argumentAt(args, position), `grad: argument ${position}`));
    // Leaves are fresh nodes: tensors that the function reaches by another way, even the same ones, are constants.
    const leaves = trees.map((tree, i) =>
      tree.leaves.map((leaf) => bind("identity", [floating(leaf, positions[i])], {})),
    );
    const replaced: unknown[] = [...args];
    positions.forEach((position, i) => {
      const tree = trees[i];
      if (tree) replaced[position] = unflatten(tree.structure, leaves[i] ?? []);
    });
    const [value, aux] = keepingGraph(() => fn(...(replaced as unknown as Args)));
    assertScalar(value);
    const all = leaves.flat();
    const cotangents = pullback([value], [fill(value, 1)], all).map((flow, i) => flow ?? zeros(all[i] as Tensor));
    const gradients = trees.map(({ structure, leaves: own }) => unflatten(structure, cotangents.splice(0, own.length)));
    return [value, aux, (typeof argument === "object" ? gradients : gradients[0]) as GradientOf<Args, A>];
  };
}

function argumentAt(args: readonly unknown[], position: number): unknown {
  if (position in args) return args[position];
  throw new TraceError(`grad: asked for the gradient by argument ${position}, called with ${args.length}; pass it`);
}

function floating(leaf: Tensor, position = 0): Tensor {
  if (isFloat(leaf.dtype)) return leaf;
  throw new DTypeError(
    `grad: argument ${position} holds ${typeText(leaf)}; only floats have gradients: pass it as another argument or cast it`,
  );
}

function assertScalar(value: unknown): asserts value is Tensor {
  if (!(value instanceof Tensor))
    throw new TraceError(`grad: expected the function to return a tensor, got ${typeof value}`);
  if (value.rank > 0) {
    throw new ShapeError(
      `grad: expected the function to return a scalar, got ${typeText(value)}; reduce it with .sum() or .mean()`,
    );
  }
  if (!isFloat(value.dtype)) {
    throw new DTypeError(
      `grad: expected the function to return a float, got ${typeText(value)}; cast its inputs to f32`,
    );
  }
}
