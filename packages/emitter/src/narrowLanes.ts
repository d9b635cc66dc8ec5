/** Vector instructions on lanes of 8 and 16 bits: a file of their own, so that a bundle that has no use for them leaves them out. */
import type { Expression } from "./expression.ts";
import { expression } from "./expression.ts";
import type { I32 } from "./scalar.ts";
import { i32 } from "./scalar.ts";
import { binary, extract, shift, unary, type V128, vector } from "./simd.ts";

export const i8x16 = {
  /** Sixteen lane positions in the concatenation x y (0..31). */
  shuffle: (x: V128, y: V128, lanes: readonly number[]) => vector(0x0d, [x, y], lanes),
  splat: (x: number) => vector(0x0c, [], Array<number>(16).fill(x & 255)),
  extractLaneU: extract("i32", 0x16),
  /** The sign of each lane, the first in the lowest bit. */
  bitmask: (x: V128): Expression<"i32"> => expression("i32", [0xfd, 0x64], [x]),
  /** Saturating. */
  narrowI16x8S: binary(0x65),
  narrowI16x8U: binary(0x66),
  ltS: binary(0x25),
  add: binary(0x6e),
  sub: binary(0x71),
} as const;

export const i16x8 = {
  splat: (x: I32) => vector(0x10, [i32.of(x)]),
  narrowI32x4S: binary(0x85),
  /** Of signed lanes, saturating to 0..65535. */
  narrowI32x4U: binary(0x86),
  /** Sums of neighbours. */
  addPairsI8x16U: unary(0x7d),
  extendLowI8x16S: unary(0x87),
  extendHighI8x16S: unary(0x88),
  extendLowI8x16U: unary(0x89),
  /** Sums of neighbours, in four lanes of 32 bits. */
  addPairsToI32x4U: unary(0x7f),
  /** Four lanes of 32 bits. */
  lowToI32x4S: unary(0xa7),
  highToI32x4S: unary(0xa8),
  lowToI32x4U: unary(0xa9),
  highToI32x4U: unary(0xaa),
  shl: shift(0x8b),
  shrS: shift(0x8c),
  shrU: shift(0x8d),
  add: binary(0x8e),
  sub: binary(0x91),
} as const;
