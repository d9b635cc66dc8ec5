/** Scalar instructions, those that kernels use. Every operand may be a plain number where its type is clear. */
import { floatBytes, signedLeb128 } from "./bytes.ts";
import type { Expression, ValueType } from "./expression.ts";
import { expression, memoryImmediate, select } from "./expression.ts";

export type I32 = Expression<"i32"> | number;
export type F32 = Expression<"f32"> | number;
export type F64 = Expression<"f64"> | number;

const lift = {
  i32: (value: I32): Expression<"i32"> => {
    if (typeof value !== "number") return value;
    return { type: "i32", code: [0x41, ...signedLeb128(value)], operands: [], constant: value | 0 };
  },
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
  shl: folding(0x74, (x, y) => x << y, 0),
  shrS: folding(0x75, (x, y) => x >> y, 0),
  shrU: folding(0x76, (x, y) => x >>> y, 0),
  eqz: unary("i32", "i32", 0x45),
  /** How many zeros are above the highest bit that is set. */
  clz: unary("i32", "i32", 0x67),
  /** How many zeros are below the lowest bit that is set. */
  ctz: unary("i32", "i32", 0x68),
  eq: binary("i32", "i32", 0x46),
  ltS: binary("i32", "i32", 0x48),
  ltU: binary("i32", "i32", 0x49),
  gtS: binary("i32", "i32", 0x4a),
  leS: binary("i32", "i32", 0x4c),
  leU: binary("i32", "i32", 0x4d),
  geS: binary("i32", "i32", 0x4e),
  load: load("i32", 0x28, 2),
  load8U: load("i32", 0x2d, 0),
  load16U: load("i32", 0x2f, 1),
  /** The bits of an f32. */
  reinterpretF32: unary("f32", "i32", 0xbc),
} as const;

export const f32 = {
  of: lift.f32,
  add: binary("f32", "f32", 0x92),
  mul: binary("f32", "f32", 0x94),
  div: binary("f32", "f32", 0x95),
  sqrt: unary("f32", "f32", 0x91),
  convertI32S: unary("i32", "f32", 0xb2),
  reinterpretI32: unary("i32", "f32", 0xbe),
  load: load("f32", 0x2a, 2),
} as const;

export const f64 = {
  const: (value: number) => lift.f64(value),
  of: lift.f64,
  add: binary("f64", "f64", 0xa0),
} as const;

/** The smaller of two signed numbers; each is computed twice. */
export const minimum = (x: I32, y: I32): Expression<"i32"> => select(i32.ltS(x, y), i32.of(x), i32.of(y));
