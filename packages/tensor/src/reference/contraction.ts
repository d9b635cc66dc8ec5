/** Reference kernels of contractions and convolutions; products are summed in f64 and rounded once. */
import { isInteger } from "../dtype.ts";
import type { ConvParams, Shape } from "../primitive.ts";
import type { ReferenceKernel, Value } from "./kernel.ts";
import { forEachIndex, offsetOf, stridesOf } from "./kernel.ts";

export const contractionKernels = {
  dot: ([result], [lhs, rhs], { lhsBatch, rhsBatch, lhsContract, rhsContract }) => {
    const [left, right] = [stridesOf(lhs!.shape), stridesOf(rhs!.shape)];
    const free = (x: Value, used: readonly number[]) =>
      x.shape.map((_, axis) => axis).filter((axis) => !used.includes(axis));
    const lhsFree = free(lhs!, [...lhsBatch, ...lhsContract]);
    const rhsFree = free(rhs!, [...rhsBatch, ...rhsContract]);
    const lhsOuter = [
      ...lhsBatch.map((axis) => left[axis]!),
      ...lhsFree.map((axis) => left[axis]!),
      ...rhsFree.map(() => 0),
    ];
    const rhsOuter = [
      ...rhsBatch.map((axis) => right[axis]!),
      ...lhsFree.map(() => 0),
      ...rhsFree.map((axis) => right[axis]!),
    ];
    const inner = lhsContract.map((axis) => lhs!.shape[axis]!);
    const [lhsInner, rhsInner] = [lhsContract.map((axis) => left[axis]!), rhsContract.map((axis) => right[axis]!)];
    const product = isInteger(lhs!.dtype) ? Math.imul : (x: number, y: number) => x * y;
    forEachIndex(result!.shape, (outer, position) => {
      const [l, r] = [offsetOf(outer, lhsOuter), offsetOf(outer, rhsOuter)];
      let total = 0;
      forEachIndex(inner, (index) => {
        total += product(lhs!.data[l + offsetOf(index, lhsInner)]!, rhs!.data[r + offsetOf(index, rhsInner)]!);
      });
      result!.data[position] = total;
    });
  },
  conv: ([y], [x, kernel], params) => {
    accumulate(y!, (total) => {
      forEachProduct({ x: x!.shape, kernel: kernel!.shape, y: y!.shape }, params, (xi, ki, yi) => {
        total[yi]! += x!.data[xi]! * kernel!.data[ki]!;
      });
    });
  },
  convInputGradient: ([dx], [dy, kernel], params) => {
    accumulate(dx!, (total) => {
      forEachProduct({ x: dx!.shape, kernel: kernel!.shape, y: dy!.shape }, params, (xi, ki, yi) => {
        total[xi]! += dy!.data[yi]! * kernel!.data[ki]!;
      });
    });
  },
  convKernelGradient: ([dkernel], [x, dy], params) => {
    accumulate(dkernel!, (total) => {
      forEachProduct({ x: x!.shape, kernel: dkernel!.shape, y: dy!.shape }, params, (xi, ki, yi) => {
        total[ki]! += x!.data[xi]! * dy!.data[yi]!;
      });
    });
  },
} satisfies { readonly [P in "dot" | "conv" | "convInputGradient" | "convKernelGradient"]: ReferenceKernel<P> };

function accumulate(result: Value, add: (total: Float64Array) => void): void {
  const total = new Float64Array(result.data.length);
  add(total);
  result.data.set(total);
}

/** Visits the offsets (in x, kernel and y) of every product that a convolution sums; padding contributes none. */
function forEachProduct(
  shapes: { readonly x: Shape; readonly kernel: Shape; readonly y: Shape },
  { strides, padding, dilation, groups }: ConvParams,
  visit: (xi: number, ki: number, yi: number) => void,
): void {
  const [xStrides, kernelStrides] = [stridesOf(shapes.x), stridesOf(shapes.kernel)];
  const [channels, outputs] = shapes.kernel.slice(-2) as [number, number];
  const spatial = shapes.kernel.slice(0, -2);
  forEachIndex(shapes.y, (yIndex, yi) => {
    const output = yIndex.at(-1)!;
    const firstChannel = Math.floor(output / (outputs / groups)) * channels;
    forEachIndex(spatial, (tap) => {
      let xi = yIndex[0]! * xStrides[0]!;
      for (let axis = 0; axis < tap.length; axis++) {
        const at = yIndex[axis + 1]! * strides[axis]! - padding[axis]![0] + tap[axis]! * dilation[axis]!;
        if (at < 0 || at >= shapes.x[axis + 1]!) return;
        xi += at * xStrides[axis + 1]!;
      }
      const ki = offsetOf(tap, kernelStrides.slice(0, -2)) + output;
      for (let channel = 0; channel < channels; channel++)
        visit(xi + firstChannel + channel, ki + channel * outputs, yi);
    });
  });
}
