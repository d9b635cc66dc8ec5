/** What a gradient rule is: from the cotangent of a primitive's result to those of its operands. */
import type { Node, Tensor } from "../graph.ts";
import type { Operands } from "../operands.ts";
import type { ManyResults, Primitive, PrimitiveParams } from "../program.ts";

/** One use of a primitive in the graph that is differentiated. */
export interface Application<P extends Primitive> {
  readonly inputs: Operands<P>;
  readonly params: PrimitiveParams[P];
  readonly output: Tensor;
}

/**
 * Cotangents of the operands, in order; `undefined`, or a shorter list, where nothing flows. Rules are written with
 * primitives, so a gradient is a graph again and can itself be differentiated. What is not needed costs nothing: it is
 * never reached from the results.
 *
 * @param dy cotangent of the result, of its type
 */
export type VjpRule<P extends Primitive> = (dy: Tensor, application: Application<P>) => readonly (Tensor | undefined)[];

/** One use of a primitive that holds a Program and may have any number of results. */
export interface ManyApplication<P extends ManyResults> {
  readonly inputs: readonly Tensor[];
  readonly params: PrimitiveParams[P];
  readonly node: Node;
  /** Which operands need a cotangent. */
  readonly wanted: readonly boolean[];
}

/**
 * As `VjpRule`, for primitives of several results.
 *
 * @param dys cotangent of each result, `undefined` where nothing flows
 */
export type ManyVjpRule<P extends ManyResults> = (
  dys: readonly (Tensor | undefined)[],
  application: ManyApplication<P>,
) => readonly (Tensor | undefined)[];

/** For primitives whose result is constant, discrete or random. */
export const noGradient = (): readonly undefined[] => [];

/** How rules of primitives that hold Programs differentiate those. */
export type Pullback = (
  outputs: readonly Tensor[],
  cotangents: readonly (Tensor | undefined)[],
  leaves: readonly Tensor[],
) => readonly (Tensor | undefined)[];
