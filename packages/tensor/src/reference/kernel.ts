/** What a reference kernel is, and the index arithmetic that kernels share. */
import type { TensorData } from "../dtype.ts";
import type { Shape } from "../primitive.ts";
import type { Primitive, PrimitiveParams, TensorType } from "../program.ts";

/** A tensor with its elements, row-major. */
export interface Value extends TensorType {
  readonly data: TensorData;
}

/** Fills the results, which arrive zeroed; storing into their typed arrays rounds to the dtype. */
export type ReferenceKernel<P extends Primitive> = (
  results: readonly Value[],
  operands: readonly Value[],
  params: PrimitiveParams[P],
) => void;

/** Distance between neighbours along each axis. */
export function stridesOf(shape: Shape): number[] {
  const strides = shape.map(() => 1);
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * shape[axis + 1]!;
  return strides;
}

/** Calls `visit` with every index of the shape, in row-major order; the index array is reused. */
export function forEachIndex(shape: Shape, visit: (index: readonly number[], position: number) => void): void {
  const size = shape.reduce((product, n) => product * n, 1);
  const index = shape.map(() => 0);
  for (let position = 0; position < size; position++) {
    visit(index, position);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis]!++;
      if (index[axis]! < shape[axis]!) break;
      index[axis] = 0;
    }
  }
}

/** Sum of index times stride. */
export function offsetOf(index: readonly number[], strides: readonly number[]): number {
  let offset = 0;
  for (let axis = 0; axis < strides.length; axis++) offset += index[axis]! * strides[axis]!;
  return offset;
}

/** Whether `value` replaces `best` as the first maximum; NaN counts as the greatest. */
export function exceeds(value: number, best: number): boolean {
  return value > best || (Number.isNaN(value) && !Number.isNaN(best));
}

/** What an empty maximum is. */
export const lowest = { f32: -Infinity, f16: -Infinity, f64: -Infinity, i32: -(2 ** 31), u32: 0, bool: 0 } as const;
