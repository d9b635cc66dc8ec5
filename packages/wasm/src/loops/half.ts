/** f32 lanes rounded to what f16 holds, halves to the even one. */
import type { V128 } from "@weft/emitter";
import { f32x4, v128 } from "@weft/emitter";
import type { VectorScope } from "./vectorScope.ts";

export function f16round(s: VectorScope, x: V128): V128 {
  // Beyond 2^17 all is infinite in f16, and the shift below must not be.
  const magnitude = s.keep(f32x4.pmin(f32x4.abs(x), s.float(2 ** 17)));
  const power = f32x4.pmax(v128.and(magnitude, s.integer(0x7f800000)), s.float(2 ** -14));
  // 1.5 · 2²³ units of the result's last place: the addition itself rounds to that place.
  const shift = s.keep(f32x4.mul(power, s.float(1.5 * 2 ** 13)));
  const rounded = s.keep(f32x4.sub(f32x4.add(magnitude, shift), shift));
  const bounded = v128.bitselect(s.float(Infinity), rounded, f32x4.ge(rounded, s.float(65536)));
  return s.keep(v128.or(bounded, v128.and(x, s.integer(-0x80000000))));
}
