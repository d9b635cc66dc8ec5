/**
 * Forward-mode derivatives and products with second derivatives, from the gradient rules alone.
 *
 * The pullback of a function is linear in the cotangents it is given; its own pullback is the tangent map. So every primitive,
 * loop and custom gradient has its forward mode without a second table of rules that could disagree with the first. What the
 * first pullback computes with cotangents is never read by the second, and is dropped when the graph is traced.
 */
import { isFloat } from "./dtype.ts";
import { fill, zeros } from "./elementary.ts";
import { ShapeError, TraceError } from "./errors.ts";
import type { Tensor } from "./graph.ts";
import { bind } from "./graph.ts";
import { keepingGraph } from "./keepGraph.ts";
import { typeText } from "./program.ts";
import { pullback } from "./pullback.ts";
import type { FlatTree } from "./tree.ts";
import { flatten, structureText, unflatten } from "./tree.ts";

/**
 * The function's result and its directional derivative: `jvp(f)([x, y], [dx, dy])` gives f(x, y) and
 * ∂f/∂x · dx + ∂f/∂y · dy, both of the structure of the result. Costs a few times the function, whatever the number of arguments;
 * what depends on no float argument has the tangent 0.
 *
 * @param fn from trees of tensors to a tree of tensors
 * @throws {TraceError | ShapeError} when called with tangents that are not of the structure and types of the arguments; those
 *   of integers are not read
 */
export function jvp<Args extends readonly unknown[], R>(
  fn: (...args: Args) => R,
): (args: Args, tangents: Args) => [result: R, tangent: R] {
  return (args, tangents) => {
    const point = flatten(args, "jvp: arguments ");
    const direction = directionAt("jvp", point, flatten(tangents, "jvp: tangents "));
    const leaves = fresh(point);
    const result = flatten(
      keepingGraph(() => fn(...(unflatten(point.structure, leaves) as unknown as Args))),
      "jvp: the result",
    );
    // Nodes of their own, for the pullback to be differentiated by; their value does not matter.
    const cotangents = result.leaves.map((leaf) =>
      isFloat(leaf.dtype) ? bind("identity", [zeros(leaf)], {}) : undefined,
    );
    const flown = pullback(result.leaves, cotangents, leaves);
    const paths = [...flown.keys()].filter((i) => flown[i]);
    const along = pullback(
      paths.map((i) => flown[i]!),
      paths.map((i) => direction[i]),
      cotangents.filter((cotangent) => cotangent !== undefined),
    );
    const outgoing = result.leaves.map((leaf, i) => (cotangents[i] && along.shift()) ?? zeros(leaf));
    return [unflatten(result.structure, result.leaves) as R, unflatten(result.structure, outgoing) as R];
  };
}

/**
 * The product of a scalar function's matrix of second derivatives at `x` with `v`, of the structure of `x`, without the matrix:
 * `hvp(loss)(parameters, direction)`. The matrix is its own transpose, so this is the pullback of the gradient.
 *
 * @throws {TraceError | ShapeError} when `v` is not of the structure and types of `x`, or the result is not a scalar
 */
export function hvp<X>(fn: (x: X) => Tensor): (x: X, v: X) => X {
  return (x, v) => {
    const point = flatten(x, "hvp: x");
    const direction = directionAt("hvp", point, flatten(v, "hvp: v"));
    const leaves = fresh(point);
    const value = keepingGraph(() => fn(unflatten(point.structure, leaves) as X));
    if (value.rank > 0 || !isFloat(value.dtype)) {
      throw new ShapeError(`hvp: expected the function to return a float scalar, got ${typeText(value)}; reduce it`);
    }
    const gradient = pullback([value], [fill(value, 1)], leaves);
    const reached = [...gradient.keys()].filter((i) => gradient[i]);
    const products = pullback(
      reached.map((i) => gradient[i]!),
      reached.map((i) => direction[i]),
      leaves,
    );
    return unflatten(
      point.structure,
      products.map((product, i) => product ?? zeros(leaves[i]!)),
    ) as X;
  };
}

/** Nodes of their own, so that the same tensors reached in other ways count as constants. */
const fresh = ({ leaves }: FlatTree): Tensor[] => leaves.map((leaf) => bind("identity", [leaf], {}));

/** The direction leaf by leaf; `undefined` where there is none to take. */
function directionAt(name: string, point: FlatTree, direction: FlatTree): (Tensor | undefined)[] {
  const [expected, got] = [point, direction].map(({ structure }) => structureText(structure));
  if (expected !== got) {
    throw new TraceError(`${name}: the direction must have the structure of the arguments, ${expected}, got ${got}`);
  }
  return point.leaves.map((leaf, i) => {
    const along = direction.leaves[i]!;
    if (!isFloat(leaf.dtype)) return undefined;
    if (typeText(along) === typeText(leaf)) return along;
    throw new ShapeError(
      `${name}: the direction at ${typeText(leaf)} must be of that type, got ${typeText(along)}; broadcast or cast it`,
    );
  });
}
