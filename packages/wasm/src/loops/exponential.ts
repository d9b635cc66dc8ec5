/**
 * exp, expm1, log, log1p and tanh of four floats, within about 1e-7 relative. Polynomials and splitting of ln 2 from Cephes
 * (Moshier), log1p by Kahan's correction.
 */
import type { V128 } from "@weft/emitter";
import { f32x4, i32x4, v128 } from "@weft/emitter";
import type { VectorScope } from "./vectorScope.ts";

const log2e = Math.LOG2E;
/** Added to a small number, it leaves the number's nearest whole in the low bits: quicker than instructions for rounding. */
const roundingShift = 1.5 * 2 ** 23;
const roundingShiftBits = 0x4b400000;
/** What the exponent of a float is stored with. */
const exponentBias = 127;
const ln2High = 0.693359375;
const ln2Low = -2.12194440054690583e-4;
/** (e^r - 1 - r) / r² on |r| ≤ ln 2 / 2, so that e^r is within 3.2e-9: a minimax fit of our own. */
const expTail = [1.3950538575e-3, 8.368918062e-3, 4.166620509e-2, 1.6666518601e-1, 5.0000000954e-1];
const logTail = [
  7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
  2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
];

/**
 * Where arguments are held: here 2^(n-1) is 0. Results are never subnormal, for those take processors so long that a softmax
 * with a causal mask took 2.2 times as long; what would be less than 1.7e-38 is 0.
 */
const lowest = -87.5;

export function exp(s: VectorScope, x: V128): V128 {
  const clamped = s.keep(f32x4.pmin(f32x4.pmax(x, s.float(lowest)), s.float(89)));
  // 2^n may overflow where the result does not.
  const { tail, power: unkept } = reduced(s, clamped, { less: 1 });
  const power = s.keep(unkept);
  const half = s.keep(s.multiplyAdd(tail, power, power));
  return s.keep(f32x4.add(half, half));
}

export function expm1(s: VectorScope, x: V128): V128 {
  const clamped = s.keep(f32x4.pmin(f32x4.pmax(x, s.float(-20)), s.float(89)));
  const { tail, shifted } = reduced(s, clamped, { less: exponentBias });
  const whole = s.keep(i32x4.sub(shifted, s.integer(roundingShiftBits)));
  const half = s.keep(i32x4.shrS(whole, 1));
  const [low, high] = [powerOfTwo(s, i32x4.sub(whole, half)), powerOfTwo(s, half)];
  // 2^n·(e^r - 1) + 2^n - 1, with 2^n in two factors because it may overflow by itself.
  const inverse = powerOfTwo(s, i32x4.neg(half));
  const sum = s.multiplyAdd(tail, low, f32x4.sub(low, inverse));
  return s.keep(f32x4.mul(sum, high));
}

interface Reduced {
  /** e^r - 1. */
  readonly tail: V128;
  /** 2^(n - less). */
  readonly power: V128;
  /** n - less + 127 in its low bits. */
  readonly shifted: V128;
}

/** x = n ln 2 + r. The shift that rounds brings n - less + 127 to where it needs but one more shift to be an exponent. */
function reduced(s: VectorScope, x: V128, { less }: { readonly less: number }): Reduced {
  const shift = s.float(roundingShift + exponentBias - less);
  const shifted = s.keep(s.multiplyAdd(x, s.float(log2e), shift));
  const n = s.keep(f32x4.sub(shifted, shift));
  const near = s.multiplySubtract(n, s.float(ln2High), x);
  const r = s.keep(s.multiplySubtract(n, s.float(ln2Low), near));
  const tail = s.keep(s.multiplyAdd(s.polynomial(r, expTail), f32x4.mul(r, r), r));
  return { tail, power: i32x4.shl(shifted, 23), shifted };
}

function powerOfTwo(s: VectorScope, exponent: V128): V128 {
  return s.keep(i32x4.shl(i32x4.add(exponent, s.integer(exponentBias)), 23));
}

export function log(s: VectorScope, x: V128): V128 {
  const tiny = s.keep(f32x4.lt(x, s.float(2 ** -126)));
  const normal = s.keep(v128.bitselect(f32x4.mul(x, s.float(2 ** 23)), x, tiny));
  // Exponent and mantissa, the latter in √½..√2.
  const shifted = s.keep(i32x4.sub(normal, s.integer(0x3f3504f3)));
  const exponent = i32x4.sub(i32x4.shrS(shifted, 23), v128.and(tiny, s.integer(23)));
  const e = s.keep(f32x4.convertI32x4S(exponent));
  const mantissa = i32x4.add(v128.and(shifted, s.integer(0x007fffff)), s.integer(0x3f3504f3));
  const f = s.keep(f32x4.sub(mantissa, s.float(1)));
  const square = s.keep(f32x4.mul(f, f));
  const tail = f32x4.mul(f32x4.mul(s.polynomial(f, logTail), f), square);
  const low = f32x4.sub(f32x4.add(tail, f32x4.mul(e, s.float(ln2Low))), f32x4.mul(square, s.float(0.5)));
  const result = s.keep(f32x4.add(f32x4.add(f, low), f32x4.mul(e, s.float(ln2High))));
  const unbounded = f32x4.ge(x, s.float(Infinity));
  const atZero = f32x4.eq(x, s.float(0));
  const undefinedAt = v128.not(f32x4.ge(x, s.float(0)));
  const large = s.keep(v128.bitselect(x, result, unbounded));
  const zero = s.keep(v128.bitselect(s.float(-Infinity), large, atZero));
  return s.keep(v128.bitselect(s.float(NaN), zero, undefinedAt));
}

export function log1p(s: VectorScope, x: V128): V128 {
  const u = s.keep(f32x4.add(x, s.float(1)));
  const d = s.keep(f32x4.sub(u, s.float(1)));
  const corrected = f32x4.mul(log(s, u), f32x4.div(x, d));
  const asIs = v128.or(f32x4.eq(d, s.float(0)), f32x4.eq(x, s.float(Infinity)));
  return s.keep(v128.bitselect(x, corrected, asIs));
}

export function tanh(s: VectorScope, x: V128): V128 {
  const magnitude = s.keep(f32x4.pmin(f32x4.abs(x), s.float(10)));
  // t = e^2|x| - 1, whose power of two neither overflows nor underflows.
  const { tail, power: unkept } = reduced(s, s.keep(f32x4.add(magnitude, magnitude)), { less: 0 });
  const power = s.keep(unkept);
  const t = s.keep(s.multiplyAdd(tail, power, f32x4.sub(power, s.float(1))));
  const ratio = f32x4.div(t, f32x4.add(t, s.float(2)));
  return withSignOf(s, ratio, x);
}

/** The magnitude of the first with the sign of the second. */
export function withSignOf(s: VectorScope, magnitude: V128, sign: V128): V128 {
  return s.keep(v128.bitselect(sign, magnitude, s.integer(-0x80000000)));
}
