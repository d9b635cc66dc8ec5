/** Groups of axes that a kernel walks with one flat index: merged where memory allows, else split by division. */
import type { Expression, I32 } from "@weft/emitter";
import { i32 } from "@weft/emitter";
import type { Shape } from "@weft/tensor";

/** `stride` is in elements. */
export interface Axis {
  readonly size: number;
  readonly stride: number;
}

/** Element strides of a row-major array. */
export function rowMajorStrides(shape: Shape): number[] {
  const strides: number[] = [];
  let stride = 1;
  for (const size of shape.toReversed()) {
    strides.unshift(stride);
    stride *= size;
  }
  return strides;
}

/** The fewest axes that step through memory as the given ones do, outermost first; none for a single element. */
export function mergeAxes(axes: readonly Axis[]): readonly Axis[] {
  const merged: Axis[] = [];
  for (const axis of axes) {
    if (axis.size === 1) continue;
    const outer = merged.at(-1);
    if (outer?.stride === axis.stride * axis.size) {
      merged[merged.length - 1] = { size: outer.size * axis.size, stride: axis.stride };
    } else {
      merged.push(axis);
    }
  }
  return merged;
}

/** The stride of a group that is one axis at most; undefined for a group that needs divisions. */
export function singleStride(axes: readonly Axis[]): number | undefined {
  if (axes.length === 0) return 0;
  return axes.length === 1 ? axes[0]?.stride : undefined;
}

export const sizeOfAxes = (axes: readonly Axis[]): number => axes.reduce((size, axis) => size * axis.size, 1);

/** Bytes from the group's first element to its element `index`. Use a local for `index`: it may be read several times. */
export function offsetOf(axes: readonly Axis[], index: I32, elementBytes = 4): Expression<"i32"> {
  let inner = 1;
  let offset: Expression<"i32"> = i32.const(0);
  for (const [position, axis] of axes.toReversed().entries()) {
    const quotient = i32.divU(index, inner);
    const coordinate = position === axes.length - 1 ? quotient : i32.remU(quotient, axis.size);
    offset = i32.add(offset, i32.mul(coordinate, axis.stride * elementBytes));
    inner *= axis.size;
  }
  return offset;
}

/** Text that distinguishes groups, for kernel keys. */
export const axesKey = (axes: readonly Axis[]): string => axes.map(({ size, stride }) => `${size}*${stride}`).join("_");
