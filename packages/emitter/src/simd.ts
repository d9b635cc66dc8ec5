/** Vector instructions, those that kernels use: 128-bit SIMD, and the fused multiply-add of relaxed SIMD (`features.ts` says whether it is there). */
import { floatBytes, leb128 } from "./bytes.ts";
import type { Expression, ValueType } from "./expression.ts";
import { expression, memoryImmediate } from "./expression.ts";
import type { F32, I32 } from "./scalar.ts";
import { f32, i32 } from "./scalar.ts";

export type V128 = Expression<"v128">;

export const vector = (
  opcode: number,
  operands: readonly Expression<ValueType>[],
  immediates: readonly number[] = [],
): V128 => expression("v128", [0xfd, ...leb128(opcode), ...immediates], operands);

export const unary = (opcode: number) => (x: V128) => vector(opcode, [x]);
export const binary = (opcode: number) => (x: V128, y: V128) => vector(opcode, [x, y]);
const ternary = (opcode: number) => (x: V128, y: V128, z: V128) => vector(opcode, [x, y, z]);
export const shift = (opcode: number) => (x: V128, count: I32) => vector(opcode, [x, i32.of(count)]);

const load =
  (opcode: number, alignment: number) =>
  (address: I32, offset = 0) =>
    vector(opcode, [i32.of(address)], memoryImmediate(alignment, offset));

const loadLane =
  (opcode: number, alignment: number) =>
  (into: V128, lane: number, from: { readonly address: I32; readonly offset?: number }) =>
    vector(opcode, [i32.of(from.address), into], [...memoryImmediate(alignment, from.offset ?? 0), lane]);

export const extract =
  <T extends ValueType>(type: T, opcode: number) =>
  (x: V128, lane: number): Expression<T> =>
    expression(type, [0xfd, ...leb128(opcode), lane], [x]);

const integerLanes = (opcode: number) => (x: V128, lane: number, value: I32) =>
  vector(opcode, [x, i32.of(value)], [lane]);

export const v128 = {
  load: load(0x00, 4),
  load8Splat: load(0x07, 0),
  load32Splat: load(0x09, 2),
  load32Zero: load(0x5c, 2),
  load64Zero: load(0x5d, 3),
  load32Lane: loadLane(0x56, 2),
  not: unary(0x4d),
  and: binary(0x4e),
  /** x and not y. */
  andNot: binary(0x4f),
  or: binary(0x50),
  xor: binary(0x51),
  /** Bits of x where the mask is set, of y elsewhere. */
  bitselect: ternary(0x52),
} as const;

/** Byte positions of four 32-bit lanes. */
const lanesToBytes = (lanes: readonly number[]) =>
  lanes.flatMap((lane) => [4 * lane, 4 * lane + 1, 4 * lane + 2, 4 * lane + 3]);

const int32Bytes = (value: number) => [value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >>> 24) & 255];

export const i32x4 = {
  const: (lanes: readonly number[]) => vector(0x0c, [], lanes.flatMap(int32Bytes)),
  splat: (x: I32) => {
    const value = i32.of(x);
    return value.constant === undefined ? vector(0x11, [value]) : i32x4.const(Array<number>(4).fill(value.constant));
  },
  extractLane: extract("i32", 0x1b),
  replaceLane: integerLanes(0x1c),
  /** Of lanes 0..127: four bytes, then zeros. */
  toBytes: (x: V128) => vector(0x66, [vector(0x85, [x, i32x4.splat(0)]), i32x4.splat(0)]),
  /** The first four bytes. */
  ofBytes: (x: V128) => vector(0xa9, [vector(0x89, [x])]),
  /** Four lane positions in the concatenation x y (0..7); also for f32 lanes. */
  shuffle: (x: V128, y: V128, lanes: readonly number[]) => vector(0x0d, [x, y], lanesToBytes(lanes)),
  eq: binary(0x37),
  ne: binary(0x38),
  ltS: binary(0x39),
  ltU: binary(0x3a),
  gtS: binary(0x3b),
  gtU: binary(0x3c),
  leS: binary(0x3d),
  leU: binary(0x3e),
  abs: unary(0xa0),
  neg: unary(0xa1),
  shl: shift(0xab),
  shrS: shift(0xac),
  shrU: shift(0xad),
  add: binary(0xae),
  sub: binary(0xb1),
  mul: binary(0xb5),
  minS: binary(0xb6),
  minU: binary(0xb7),
  maxS: binary(0xb8),
  maxU: binary(0xb9),
  /** Saturating; NaN gives 0. */
  truncF32x4S: unary(0xf8),
  truncF32x4U: unary(0xf9),
} as const;

export const f32x4 = {
  const: (lanes: readonly number[]) =>
    vector(
      0x0c,
      [],
      lanes.flatMap((lane) => floatBytes(lane, 4)),
    ),
  splat: (x: F32) => (typeof x === "number" ? f32x4.const([x, x, x, x]) : vector(0x13, [f32.of(x)])),
  extractLane: extract("f32", 0x1f),
  eq: binary(0x41),
  ne: binary(0x42),
  lt: binary(0x43),
  gt: binary(0x44),
  le: binary(0x45),
  ge: binary(0x46),
  ceil: unary(0x67),
  floor: unary(0x68),
  /** Half to even. */
  nearest: unary(0x6a),
  abs: unary(0xe0),
  neg: unary(0xe1),
  sqrt: unary(0xe3),
  add: binary(0xe4),
  sub: binary(0xe5),
  mul: binary(0xe6),
  div: binary(0xe7),
  /** NaN wins. */
  min: binary(0xe8),
  max: binary(0xe9),
  /** y < x ? y : x, one instruction on x86. */
  pmin: binary(0xea),
  /** x < y ? y : x. */
  pmax: binary(0xeb),
  convertI32x4S: unary(0xfa),
  convertI32x4U: unary(0xfb),
  /** x·y + z: fused where the machine does that, and only where `features.ts` finds relaxed SIMD. */
  relaxedMadd: ternary(0x105),
  /** z - x·y, likewise. */
  relaxedNmadd: ternary(0x106),
} as const;
