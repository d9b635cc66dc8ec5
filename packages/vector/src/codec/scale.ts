/**
 * Scales: one bf16 for each group of quantised values. It has the range of f32, and its rounding costs nothing but range, for
 * values are quantised with the scale as it is sent.
 */
import { ValueError } from "../errors.ts";

/** The bf16 nearest to an f32, both as bits. */
export function upperHalf(word: number): number {
  // Rounding could turn a NaN into an infinity.
  if ((word & 0x7fffffff) > 0x7f800000) return (word >>> 16) | 0x40;
  return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
}

const value = new Float32Array(1);
const word = new Uint32Array(value.buffer);

function bitsOfBf16(x: number): number {
  value[0] = x;
  return upperHalf(word[0]!);
}

function valueOfBf16(bits: number): number {
  word[0] = bits << 16;
  return value[0]!;
}

/** Smaller scales have no finite reciprocal; groups that would need one become zeros. */
const smallest = 2 ** -126;

/**
 * Writes the scale nearest to `wanted` and returns it.
 *
 * @param largest the largest code: its product with the scale must stay finite
 */
export function putScale(
  out: Uint8Array,
  group: number,
  { wanted, largest }: { wanted: number; largest: number },
): number {
  let bits = wanted < smallest ? 0 : bitsOfBf16(wanted);
  while (!Number.isFinite(Math.fround(valueOfBf16(bits) * largest))) bits -= 1;
  out[2 * group] = bits;
  out[2 * group + 1] = bits >>> 8;
  return valueOfBf16(bits);
}

/** @throws {ValueError} for a scale below zero, or whose product with the largest code is not finite */
export function readScale(
  name: string,
  bytes: Uint8Array,
  { group, largest }: { group: number; largest: number },
): number {
  const bits = bytes[2 * group]! | (bytes[2 * group + 1]! << 8);
  const scale = valueOfBf16(bits);
  if (bits < 0x8000 && Math.fround(scale * largest) < Infinity) return scale;
  throw new ValueError(
    `codec ${name}: group ${group} has scale ${scale}; one of at least 0 and of finite values expected`,
  );
}
