/** Sums in f32 in the order that SIMD takes: sixteen side by side, then a tree. The bits are the same by either way. */

export const lanes = 16;

/** Whether values with this largest magnitude can be squared and summed as they are. */
export const isModerate = (largest: number): boolean => largest === 0 || (largest >= 2 ** -50 && largest < 2 ** 50);

/** Whether the values of groups, each of at most 256, are as `isModerate` asks; false where their largest sum does not tell. */
export const isModerateSum = (largest: number): boolean => largest === 0 || (largest >= 2 ** -40 && largest < 2 ** 50);

/** What values with this largest magnitude are multiplied by before they are squared and summed: a power of two, mostly 1. */
export function powerBelow(largest: number): number {
  if (isModerate(largest)) return 1;
  value[0] = largest;
  const exponent = word[0]! & 0x7f800000;
  word[0] = Math.max(0x00800000, 0x7f000000 - exponent);
  return value[0];
}

/** The f32 of these bits. */
export function floatOf(bits: number): number {
  word[0] = bits;
  return value[0]!;
}

/** By its sign bit: -0 is. */
export const isNegative = (x: number): boolean => x < 0 || Object.is(x, -0);

/** Of sixteen sums. */
export function sumOfLanes(sums: Float32Array): number {
  const four = new Float32Array(4);
  for (let i = 0; i < 4; i++) {
    four[i] = Math.fround(sums[i]! + sums[4 + i]!) + Math.fround(sums[8 + i]! + sums[12 + i]!);
  }
  return Math.fround(Math.fround(four[0]! + four[2]!) + Math.fround(four[1]! + four[3]!));
}

/** NaN if there is one. */
export function largestMagnitude(values: Float32Array): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i]!);
    // NaN fails the comparison.
    if (!(magnitude <= largest)) largest = magnitude;
    if (largest !== largest) break;
  }
  return largest;
}

const value = new Float32Array(1);
const word = new Uint32Array(value.buffer);
