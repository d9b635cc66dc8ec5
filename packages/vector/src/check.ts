/** Fast checks of a block's values. */
import { blockElements } from "./block.ts";
import { kernels, valuesAt } from "./kernels/kernels.ts";

/** Fewer are looked at sooner than copied. */
const leastForKernels = 256;
const kernelStep = 16;
const infinityBits = 0x7f800000;

/** Sum of squares, in f64 and in a fixed order: the same bits on every machine. */
export function squaredNorm(values: Float32Array): number {
  // Four sums side by side hide the latency of the addition.
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  const whole = values.length & ~3;
  for (let i = 0; i < whole; i += 4) {
    a += values[i]! * values[i]!;
    b += values[i + 1]! * values[i + 1]!;
    c += values[i + 2]! * values[i + 2]!;
    d += values[i + 3]! * values[i + 3]!;
  }
  for (let i = whole; i < values.length; i++) a += values[i]! * values[i]!;
  return a + b + (c + d);
}

/** Whether there is neither NaN nor infinity. */
export function allFinite(values: Float32Array): boolean {
  const simd = values.length < leastForKernels ? undefined : kernels();
  const whole = simd === undefined ? 0 : values.length - (values.length % kernelStep);
  for (let start = 0; simd !== undefined && start < whole; start += blockElements) {
    const run = values.subarray(start, Math.min(start + blockElements, whole));
    simd.values.set(run);
    if (simd.largest(valuesAt, run.length) >= infinityBits) return false;
  }
  for (let i = whole; i < values.length; i++) {
    // Only finite values differ from themselves by zero.
    if (values[i]! - values[i]! !== 0) return false;
  }
  return true;
}
