/** What a gradient rule is: from the cotangent of a primitive's result to those of its operands. */
import type { Tensor } from "../graph.ts";
import type { Operands } from "../operands.ts";
import type { Primitive, PrimitiveParams } from "../program.ts";

/** One use of a primitive in the graph that is differentiated. */
export interface Application<P extends Primitive> {
  readonly inputs: Operands<P>;
  readonly params: PrimitiveParams[P];
  /** The result; `scan` has several. */
  readonly output: P extends "scan" ? readonly Tensor[] : Tensor;
}

/**
 * Cotangents of the operands, in order; `undefined`, or a shorter list, where nothing flows. Rules are written with
 * primitives, so a gradient is a graph again and can itself be differentiated. What is not needed costs nothing: it is
 * never reached from the results.
 *
 * @param dy cotangent of the result, of its type; for `scan` one for each result, `undefined` where nothing flows
 */
export type VjpRule<P extends Primitive> = (
  dy: P extends "scan" ? readonly (Tensor | undefined)[] : Tensor,
  application: Application<P>,
) => readonly (Tensor | undefined)[];

/** For primitives whose result is constant, discrete or random. */
export const noGradient = (): readonly undefined[] => [];
