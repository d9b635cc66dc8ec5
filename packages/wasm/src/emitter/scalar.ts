/** Scalar instructions: i32, i64, f32, f64. Every operand may be a plain number where its type is clear. */
import { floatBytes, signedLeb128, signedLeb128Of64 } from "./bytes.ts";
import type { Expression, ValueType } from "./expression.ts";
import { expression, memoryImmediate } from "./expression.ts";

export type I32 = Expression<"i32"> | number;
export type I64 = Expression<"i64"> | number;
export type F32 = Expression<"f32"> | number;
export type F64 = Expression<"f64"> | number;

const lift = {
  i32: (value: I32): Expression<"i32"> => {
    if (typeof value !== "number") return value;
    return { type: "i32", code: [0x41, ...signedLeb128(value)], operands: [], constant: value | 0 };
  },
  i64: (value: I64 | bigint): Expression<"i64"> =>
    typeof value === "object"
      ? value
      : expression("i64", [0x42, ...signedLeb128Of64(BigInt.asIntN(64, BigInt(value)))]),
  f32: (value: F32): Expression<"f32"> =>
    typeof value === "number" ? expression("f32", [0x43, ...floatBytes(value, 4)]) : value,
  f64: (value: F64): Expression<"f64"> =>
    typeof value === "number" ? expression("f64", [0x44, ...floatBytes(value, 8)]) : value,
};

type Scalar = keyof typeof lift;
type Operand<T extends Scalar> = Expression<T> | number;

const liftAs = <T extends Scalar>(type: T, value: Operand<T>): Expression<T> =>
  (lift[type] as (value: Operand<T>) => Expression<T>)(value);

const unary =
  <T extends Scalar, R extends ValueType>(from: T, to: R, ...code: number[]) =>
  (x: Operand<T>): Expression<R> =>
    expression(to, code, [liftAs(from, x)]);

const binary =
  <T extends Scalar, R extends ValueType>(from: T, to: R, code: number) =>
  (x: Operand<T>, y: Operand<T>): Expression<R> =>
    expression(to, [code], [liftAs(from, x), liftAs(from, y)]);

const load =
  <T extends Scalar>(type: T, code: number, alignment: number) =>
  (address: I32, offset = 0): Expression<T> =>
    expression(type, [code, ...memoryImmediate(alignment, offset)], [lift.i32(address)]);

/** An i32 operation that is computed here when both operands are constants, and disappears at its neutral element. */
function folding(code: number, fold: (x: number, y: number) => number, neutral?: number) {
  return (left: I32, right: I32): Expression<"i32"> => {
    const [x, y] = [lift.i32(left), lift.i32(right)];
    if (x.constant !== undefined && y.constant !== undefined) return lift.i32(fold(x.constant, y.constant));
    if (neutral !== undefined && y.constant === neutral) return x;
    return expression("i32", [code], [x, y]);
  };
}

/** As `folding`, for operations whose operands may change places; `zero` absorbs the other operand. */
function commuting(code: number, fold: (x: number, y: number) => number, identity: number, zero?: number) {
  const folded = folding(code, fold, identity);
  return (left: I32, right: I32): Expression<"i32"> => {
    const [x, y] = [lift.i32(left), lift.i32(right)];
    if (zero !== undefined && (x.constant === zero || y.constant === zero)) return lift.i32(zero);
    return x.constant !== undefined ? folded(y, x) : folded(x, y);
  };
}

export const i32 = {
  const: (value: number) => lift.i32(value),
  of: lift.i32,
  add: commuting(0x6a, (x, y) => x + y, 0),
  sub: folding(0x6b, (x, y) => x - y, 0),
  mul: commuting(0x6c, Math.imul, 1, 0),
  divS: folding(0x6d, (x, y) => Math.trunc(x / y), 1),
  divU: folding(0x6e, (x, y) => Math.floor((x >>> 0) / (y >>> 0)), 1),
  remS: binary("i32", "i32", 0x6f),
  remU: binary("i32", "i32", 0x70),
  and: binary("i32", "i32", 0x71),
  or: binary("i32", "i32", 0x72),
  xor: binary("i32", "i32", 0x73),
  shl: folding(0x74, (x, y) => x << y, 0),
  shrS: folding(0x75, (x, y) => x >> y, 0),
  shrU: folding(0x76, (x, y) => x >>> y, 0),
  rotl: binary("i32", "i32", 0x77),
  clz: unary("i32", "i32", 0x67),
  ctz: unary("i32", "i32", 0x68),
  popcnt: unary("i32", "i32", 0x69),
  eqz: unary("i32", "i32", 0x45),
  eq: binary("i32", "i32", 0x46),
  ne: binary("i32", "i32", 0x47),
  ltS: binary("i32", "i32", 0x48),
  ltU: binary("i32", "i32", 0x49),
  gtS: binary("i32", "i32", 0x4a),
  gtU: binary("i32", "i32", 0x4b),
  leS: binary("i32", "i32", 0x4c),
  leU: binary("i32", "i32", 0x4d),
  geS: binary("i32", "i32", 0x4e),
  geU: binary("i32", "i32", 0x4f),
  wrapI64: unary("i64", "i32", 0xa7),
  /** Saturating; NaN gives 0. */
  truncF32S: unary("f32", "i32", 0xfc, 0),
  truncF32U: unary("f32", "i32", 0xfc, 1),
  reinterpretF32: unary("f32", "i32", 0xbc),
  load: load("i32", 0x28, 2),
  load8S: load("i32", 0x2c, 0),
  load8U: load("i32", 0x2d, 0),
  load16S: load("i32", 0x2e, 1),
  load16U: load("i32", 0x2f, 1),
} as const;

export const i64 = {
  const: (value: bigint | number) => lift.i64(value),
  add: binary("i64", "i64", 0x7c),
  sub: binary("i64", "i64", 0x7d),
  mul: binary("i64", "i64", 0x7e),
  and: binary("i64", "i64", 0x83),
  or: binary("i64", "i64", 0x84),
  xor: binary("i64", "i64", 0x85),
  shl: binary("i64", "i64", 0x86),
  shrS: binary("i64", "i64", 0x87),
  shrU: binary("i64", "i64", 0x88),
  eq: binary("i64", "i32", 0x51),
  ltS: binary("i64", "i32", 0x53),
  ltU: binary("i64", "i32", 0x54),
  extendI32S: unary("i32", "i64", 0xac),
  extendI32U: unary("i32", "i64", 0xad),
  load: load("i64", 0x29, 3),
} as const;

export const f32 = {
  const: (value: number) => lift.f32(value),
  of: lift.f32,
  abs: unary("f32", "f32", 0x8b),
  neg: unary("f32", "f32", 0x8c),
  ceil: unary("f32", "f32", 0x8d),
  floor: unary("f32", "f32", 0x8e),
  trunc: unary("f32", "f32", 0x8f),
  nearest: unary("f32", "f32", 0x90),
  sqrt: unary("f32", "f32", 0x91),
  add: binary("f32", "f32", 0x92),
  sub: binary("f32", "f32", 0x93),
  mul: binary("f32", "f32", 0x94),
  div: binary("f32", "f32", 0x95),
  min: binary("f32", "f32", 0x96),
  max: binary("f32", "f32", 0x97),
  copysign: binary("f32", "f32", 0x98),
  eq: binary("f32", "i32", 0x5b),
  ne: binary("f32", "i32", 0x5c),
  lt: binary("f32", "i32", 0x5d),
  gt: binary("f32", "i32", 0x5e),
  le: binary("f32", "i32", 0x5f),
  ge: binary("f32", "i32", 0x60),
  convertI32S: unary("i32", "f32", 0xb2),
  convertI32U: unary("i32", "f32", 0xb3),
  demoteF64: unary("f64", "f32", 0xb6),
  reinterpretI32: unary("i32", "f32", 0xbe),
  load: load("f32", 0x2a, 2),
} as const;

export const f64 = {
  const: (value: number) => lift.f64(value),
  of: lift.f64,
  abs: unary("f64", "f64", 0x99),
  neg: unary("f64", "f64", 0x9a),
  ceil: unary("f64", "f64", 0x9b),
  floor: unary("f64", "f64", 0x9c),
  trunc: unary("f64", "f64", 0x9d),
  nearest: unary("f64", "f64", 0x9e),
  sqrt: unary("f64", "f64", 0x9f),
  add: binary("f64", "f64", 0xa0),
  sub: binary("f64", "f64", 0xa1),
  mul: binary("f64", "f64", 0xa2),
  div: binary("f64", "f64", 0xa3),
  min: binary("f64", "f64", 0xa4),
  max: binary("f64", "f64", 0xa5),
  eq: binary("f64", "i32", 0x61),
  ne: binary("f64", "i32", 0x62),
  lt: binary("f64", "i32", 0x63),
  gt: binary("f64", "i32", 0x64),
  le: binary("f64", "i32", 0x65),
  ge: binary("f64", "i32", 0x66),
  convertI32S: unary("i32", "f64", 0xb7),
  convertI32U: unary("i32", "f64", 0xb8),
  promoteF32: unary("f32", "f64", 0xbb),
  load: load("f64", 0x2b, 3),
} as const;
