/** pow and the remainder of four floats, computed in double precision two lanes at a time. */
import type { V128 } from "@weft/emitter";
import { f32x4, f64x2, i32, i32x4, i64x2, v128 } from "@weft/emitter";
import { withSignOf } from "./exponential.ts";
import type { VectorScope } from "./vectorScope.ts";

/** Applies a two-lane double function to four float lanes of each operand. */
function inDoubles(s: VectorScope, x: V128, y: V128, apply: (x: V128, y: V128) => V128): V128 {
  const half = (lanes: readonly number[]) => {
    const [a, b] = [x, y].map((value) => s.keep(f64x2.promoteLow(i32x4.shuffle(value, value, lanes))));
    return s.keep(f64x2.demote(apply(a!, b!)));
  };
  return s.keep(i32x4.shuffle(half([0, 1, 0, 1]), half([2, 3, 2, 3]), [0, 1, 4, 5]));
}

/** As ECMAScript's `**`: |x|^y by e^(y ln |x|), then the sign of a negative base. */
export function pow(s: VectorScope, x: V128, y: V128): V128 {
  const magnitude = s.keep(f32x4.abs(x));
  const power = inDoubles(s, magnitude, y, (a, b) => wideExp(s, f64x2.mul(b, wideLog(s, a))));
  const whole = f32x4.eq(y, f32x4.floor(y));
  const halved = s.keep(f32x4.mul(y, s.float(0.5)));
  const odd = v128.andNot(s.keep(whole), f32x4.eq(halved, f32x4.floor(halved)));
  const signed = s.keep(v128.xor(power, v128.and(v128.and(odd, x), s.integer(-0x80000000))));
  // A negative finite base has no real power but whole ones.
  const bounded = v128.and(f32x4.lt(x, s.float(0)), f32x4.gt(x, s.float(-Infinity)));
  const undefinedAt = s.keep(v128.andNot(bounded, f32x4.eq(y, f32x4.floor(y))));
  const defined = s.keep(v128.bitselect(s.float(NaN), signed, undefinedAt));
  return s.keep(v128.bitselect(s.float(1), defined, f32x4.eq(y, s.float(0))));
}

/** ln x for x ≥ 0, from ln m = 2 artanh((m - 1)/(m + 1)). */
function wideLog(s: VectorScope, x: V128): V128 {
  const shifted = s.keep(i64x2.sub(x, s.lanes([0x667f3bcd | 0, 0x3fe6a09e, 0x667f3bcd | 0, 0x3fe6a09e])));
  const exponents = i64x2.shrS(shifted, i32.const(52));
  const e = s.keep(f64x2.convertLowI32(i32x4.shuffle(exponents, exponents, [0, 2, 0, 2])));
  const mask = s.lanes([-1, 0x000fffff, -1, 0x000fffff]);
  const m = s.keep(
    i64x2.add(v128.and(shifted, mask), s.lanes([0x667f3bcd | 0, 0x3fe6a09e, 0x667f3bcd | 0, 0x3fe6a09e])),
  );
  const t = s.keep(f64x2.div(f64x2.sub(m, s.double(1)), f64x2.add(m, s.double(1))));
  const z = s.keep(f64x2.mul(t, t));
  let series = s.double(2 / 17);
  for (const n of [15, 13, 11, 9, 7, 5, 3, 1]) series = f64x2.add(f64x2.mul(series, z), s.double(2 / n));
  const result = s.keep(f64x2.add(f64x2.mul(series, t), f64x2.mul(e, s.double(Math.LN2))));
  const positive = s.keep(v128.bitselect(result, s.double(-Infinity), f64x2.gt(x, s.double(0))));
  const bounded = v128.bitselect(positive, x, f64x2.lt(x, s.double(Infinity)));
  return s.keep(bounded);
}

/** e^x; beyond ±800 it is what single precision makes of it, infinity or zero. NaN stays. */
function wideExp(s: VectorScope, value: V128): V128 {
  const x = s.keep(f64x2.min(f64x2.max(value, s.double(-700)), s.double(700)));
  const n = s.keep(f64x2.nearest(f64x2.mul(x, s.double(Math.LOG2E))));
  const r = s.keep(
    f64x2.sub(f64x2.sub(x, f64x2.mul(n, s.double(0.6931471803691238))), f64x2.mul(n, s.double(1.9082149292705877e-10))),
  );
  let series = s.double(1 / 39916800);
  for (const factorial of [3628800, 362880, 40320, 5040, 720, 120, 24, 6, 2, 1, 1]) {
    series = f64x2.add(f64x2.mul(series, r), s.double(1 / factorial));
  }
  const whole = f64x2.truncToI32(n);
  // The exponent field: n + 1023 in the upper half of each 64-bit lane.
  const field = i32x4.shl(i32x4.add(whole, s.integer(1023)), 20);
  const scale = i32x4.shuffle(s.integer(0), s.keep(field), [0, 4, 1, 5]);
  return s.keep(f64x2.mul(series, scale));
}

/** x - trunc(x / y) · y with the sign of x; exact while the quotient has fewer than 29 bits. */
export function rem(s: VectorScope, x: V128, y: V128): V128 {
  const [ax, ay] = [s.keep(f32x4.abs(x)), s.keep(f32x4.abs(y))];
  const magnitude = inDoubles(s, ax, ay, (a, b) => {
    const rest = s.keep(f64x2.sub(a, f64x2.mul(f64x2.trunc(f64x2.div(a, b)), b)));
    const raised = s.keep(f64x2.add(rest, v128.and(b, f64x2.lt(rest, s.double(0)))));
    return f64x2.sub(raised, v128.and(b, f64x2.ge(raised, b)));
  });
  const whole = v128.and(f32x4.eq(ay, s.float(Infinity)), f32x4.lt(ax, s.float(Infinity)));
  return withSignOf(s, s.keep(v128.bitselect(ax, magnitude, whole)), x);
}
