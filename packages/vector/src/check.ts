/** Fast checks of a block's values. */

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
  for (let i = 0; i < values.length; i++) {
    // Only finite values differ from themselves by zero.
    if (values[i]! - values[i]! !== 0) return false;
  }
  return true;
}
