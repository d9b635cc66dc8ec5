/** Two-lane double arithmetic, for the few functions whose range reduction needs more than single precision. */
import { type F64, f64 } from "./scalar.ts";
import type { Expression } from "./expression.ts";
import { expression } from "./expression.ts";
import { leb128 } from "./bytes.ts";
import type { V128 } from "./simd.ts";

const op =
  (code: number) =>
  (...operands: V128[]): V128 =>
    expression("v128", [0xfd, ...leb128(code)], operands);
const shift = (code: number) => (x: V128, count: Expression<"i32">) =>
  expression("v128", [0xfd, ...leb128(code)], [x, count]);

export const f64x2 = {
  splat: (value: F64): V128 => expression("v128", [0xfd, 0x14], [f64.of(value)]),
  extractLane: (x: V128, lane: 0 | 1): Expression<"f64"> => expression("f64", [0xfd, 0x21, lane], [x]),
  /** x · y + z, rounded once or twice as the machine likes; needs relaxed SIMD. */
  relaxedMadd: op(0x107),
  promoteLow: op(0x5f),
  /** Two floats, then zeros. */
  demote: op(0x5e),
  /** Two integers, saturated, then zeros. */
  truncToI32: op(0xfc),
  convertLowI32: op(0xfe),
  abs: op(0xec),
  add: op(0xf0),
  sub: op(0xf1),
  mul: op(0xf2),
  div: op(0xf3),
  min: op(0xf4),
  max: op(0xf5),
  trunc: op(0x7a),
  nearest: op(0x94),
  lt: op(0x49),
  gt: op(0x4a),
  ge: op(0x4c),
} as const;

export const i64x2 = {
  add: op(0xce),
  sub: op(0xd1),
  shl: shift(0xcb),
  shrS: shift(0xcc),
  shrU: shift(0xcd),
} as const;
