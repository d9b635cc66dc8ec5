/** What a batching rule is: how a primitive acts on all examples of a batch at once. */
import { broadcast, range } from "../elementary.ts";
import type { Tensor } from "../graph.ts";
import type { Operands } from "../operands.ts";
import type { ManyResults, Primitive, PrimitiveParams } from "../program.ts";

/** A tensor for all examples: with its batch axis in front, or one value that they share. */
export interface Batched {
  readonly tensor: Tensor;
  readonly batched: boolean;
}

/** A use of a primitive, at least one operand of which differs between examples. */
export interface BatchedApplication<P extends Primitive> {
  readonly inputs: Operands<P, Batched>;
  /** As for one example. */
  readonly params: PrimitiveParams[P];
  /** Number of examples. */
  readonly size: number;
}

/** The results of all examples, stacked along a new axis in front; for `scan` and `call` those of each result that differ. */
export type BatchingRule<P extends Primitive> = (
  application: BatchedApplication<P>,
) => P extends ManyResults ? readonly Batched[] : Tensor;

/** The operand with a batch axis: a shared value is repeated. */
export const stacked = ({ tensor, batched }: Batched, size: number): Tensor =>
  batched ? tensor : broadcast(tensor, [size, ...tensor.shape], range(tensor.rank).map(shifted));

/** An axis of one example, as an axis of the batch. */
export const shifted = (axis: number): number => axis + 1;

/** How rules of primitives that hold Programs batch those. */
export type Vectorise = (
  outputs: readonly Tensor[],
  mapped: readonly (readonly [example: Tensor, all: Batched])[],
  size: number,
) => readonly Batched[];
