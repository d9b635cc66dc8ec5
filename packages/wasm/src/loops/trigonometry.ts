/** sin, cos, atan2 and erf of four floats. Polynomials from Cephes (Moshier); erf after N. Juffa's erff. */
import type { V128 } from "@weft/emitter";
import { f32x4, f64x2, i32x4, v128 } from "@weft/emitter";
import { exp, withSignOf } from "./exponential.ts";
import type { VectorScope } from "./vectorScope.ts";

/** π/2 in two parts, the first with room for exact products with whole numbers. */
const halfPiHigh = 1.5707963267341256;
const halfPiLow = 6.077100506506192e-11;

export const sin = (s: VectorScope, x: V128): V128 => sineAt(s, x, 0);
export const cos = (s: VectorScope, x: V128): V128 => sineAt(s, x, 1);

/** sin(x + quarters · π/2): the argument is reduced in double precision, the polynomials are single. */
function sineAt(s: VectorScope, x: V128, quarters: number): V128 {
  const low = reduceHalf(s, x);
  const high = reduceHalf(s, s.keep(i32x4.shuffle(x, x, [2, 3, 2, 3])));
  const r = s.keep(i32x4.shuffle(f64x2.demote(low.r), f64x2.demote(high.r), [0, 1, 4, 5]));
  const counts = i32x4.shuffle(f64x2.truncToI32(low.n), f64x2.truncToI32(high.n), [0, 1, 4, 5]);
  const quadrant = s.keep(i32x4.add(counts, s.integer(quarters)));
  const z = s.keep(f32x4.mul(r, r));
  const sineTail = s.polynomial(z, [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1]);
  const sine = s.keep(f32x4.add(f32x4.mul(f32x4.mul(sineTail, z), r), r));
  const cosineTail = s.polynomial(z, [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2]);
  const cosine = s.keep(
    f32x4.add(f32x4.sub(f32x4.mul(f32x4.mul(cosineTail, z), z), f32x4.mul(z, s.float(0.5))), s.float(1)),
  );
  const odd = i32x4.ne(v128.and(quadrant, s.integer(1)), s.integer(0));
  const value = s.keep(v128.bitselect(cosine, sine, odd));
  return s.keep(v128.xor(value, i32x4.shl(v128.and(quadrant, s.integer(2)), 30)));
}

/** x - n π/2 for the two lower lanes, in double precision. */
function reduceHalf(s: VectorScope, x: V128): { n: V128; r: V128 } {
  const wide = s.keep(f64x2.promoteLow(x));
  const n = s.keep(f64x2.nearest(f64x2.mul(wide, s.double(2 / Math.PI))));
  const r = f64x2.sub(f64x2.sub(wide, f64x2.mul(n, s.double(halfPiHigh))), f64x2.mul(n, s.double(halfPiLow)));
  return { n, r: s.keep(r) };
}

export function atan2(s: VectorScope, y: V128, x: V128): V128 {
  const [ax, ay] = [s.keep(f32x4.abs(x)), s.keep(f32x4.abs(y))];
  const [small, large] = [s.keep(f32x4.min(ax, ay)), s.keep(f32x4.max(ax, ay))];
  const quotient = s.keep(f32x4.div(small, large));
  const ratio = s.keep(v128.bitselect(s.float(0), quotient, f32x4.eq(large, s.float(0))));
  const t = s.keep(v128.bitselect(s.float(1), ratio, f32x4.eq(small, s.float(Infinity))));
  const steep = s.keep(f32x4.gt(t, s.float(Math.SQRT2 - 1)));
  const one = s.float(1);
  const u = s.keep(v128.bitselect(f32x4.div(f32x4.sub(t, one), f32x4.add(t, one)), t, steep));
  const z = s.keep(f32x4.mul(u, u));
  const tail = s.polynomial(z, [8.05374449538e-2, -1.38776856032e-1, 1.99777106478e-1, -3.33329491539e-1]);
  const base = v128.and(steep, s.float(Math.PI / 4));
  const first = s.keep(f32x4.add(f32x4.add(f32x4.mul(f32x4.mul(tail, z), u), u), base));
  const over = f32x4.gt(ay, ax);
  const angle = s.keep(v128.bitselect(f32x4.sub(s.float(Math.PI / 2), first), first, over));
  const behind = i32x4.shrS(x, 31);
  const whole = s.keep(v128.bitselect(f32x4.sub(s.float(Math.PI), angle), angle, behind));
  const undefinedAt = v128.or(f32x4.ne(x, x), f32x4.ne(y, y));
  return s.keep(v128.bitselect(s.float(NaN), withSignOf(s, whole, y), undefinedAt));
}

const erfNear = [-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1];
const erfFar = [
  -1.7285347e-5, 3.83197126e-4, -3.88396438e-3, 2.42546219e-2, -1.06777877e-1, -6.34846687e-1, -1.28717512e-1,
];

export function erf(s: VectorScope, x: V128): V128 {
  const t = s.keep(f32x4.pmin(f32x4.abs(x), s.float(5)));
  const square = s.keep(f32x4.mul(x, x));
  const near = s.keep(f32x4.add(f32x4.mul(s.polynomial(square, erfNear), x), x));
  const exponent = s.keep(f32x4.sub(f32x4.mul(s.polynomial(t, erfFar), t), t));
  const far = withSignOf(s, f32x4.sub(s.float(1), exp(s, exponent)), x);
  return s.keep(v128.bitselect(far, near, f32x4.gt(t, s.float(0.927734375))));
}
