/** What a shape rule is, and the checks that rules share. */
import { DTypeError, ShapeError } from "./errors.ts";
import type { Primitive, PrimitiveParams } from "./program.ts";
import type { TensorType } from "./program.ts";
import { typeText } from "./program.ts";

/** Types of the results from types of the operands; throws when they do not fit. */
export type InferRule<P extends Primitive> = (
  inputs: readonly TensorType[],
  params: PrimitiveParams[P],
  name: P,
) => readonly TensorType[];

type TupleOf<T, N extends number, R extends T[] = []> = number extends N
  ? T[]
  : R["length"] extends N
    ? R
    : TupleOf<T, N, [...R, T]>;

/** The operands as a tuple of known length. */
export function only<N extends number>(name: string, inputs: readonly TensorType[], count: N): TupleOf<TensorType, N> {
  if (inputs.length !== count) throw new ShapeError(`${name}: expected ${count} operands, got ${inputs.length}`);
  return inputs as unknown as TupleOf<TensorType, N>;
}

export function assertSame(name: string, x: TensorType, y: TensorType): void {
  if (x.dtype !== y.dtype) {
    throw new DTypeError(`${name}: dtypes differ, ${typeText(x)} and ${typeText(y)}; cast one of them`);
  }
  if (x.shape.join() !== y.shape.join()) {
    throw new ShapeError(`${name}: shapes differ, ${typeText(x)} and ${typeText(y)}; reshape or broadcast one of them`);
  }
}

export function assertAxis(name: string, x: TensorType, axis: number): void {
  if (!Number.isInteger(axis) || axis < 0 || axis >= x.shape.length) {
    throw new ShapeError(`${name}: axis ${axis} is outside ${typeText(x)}; expected 0..${x.shape.length - 1}`);
  }
}

/** Checks that a per-axis parameter has `rank` whole entries, each at least `least`. */
export function assertEntries(role: string, entries: readonly number[], rank: number, least = 0): void {
  if (entries.length !== rank || entries.some((n) => !Number.isInteger(n) || n < least)) {
    throw new ShapeError(`${role}: [${entries.join()}] must be ${rank} whole numbers ≥ ${least}`);
  }
}
