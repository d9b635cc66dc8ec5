/** Half precision (IEEE 754 binary16): rounding to it, and its bits, also in engines that have no Float16Array. */

const words = new DataView(new ArrayBuffer(8));

/** The power of two at or below |x|, for finite x that are not 0. */
function exponentOf(x: number): number {
  words.setFloat64(0, x);
  return ((words.getUint16(0) >>> 4) & 0x7ff) - 1023;
}

/** The least exponent of a normal f16. */
const leastExponent = -14;

/** To the nearest f16, halves to the even one: what Math.f16round does, where there is one. */
export function roundToHalf(x: number): number {
  const magnitude = Math.abs(x);
  if (!(magnitude < 65520)) return Number.isNaN(x) ? NaN : Math.sign(x) * Infinity;
  // 1.5 · 2⁵² units of the result's last place: the addition itself rounds to that place.
  const shift = 1.5 * 2 ** (Math.max(exponentOf(x), leastExponent) - 10 + 52);
  return Math.sign(x) * (magnitude + shift - shift);
}

export const f16round: (x: number) => number = (Math as Partial<Math>).f16round ?? roundToHalf;

/** The 16 bits of a value of f16. */
export function halfBits(x: number): number {
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(x);
  if (Number.isNaN(x)) return 0x7e00;
  if (magnitude === Infinity) return sign | 0x7c00;
  if (magnitude < 2 ** leastExponent) return sign | (magnitude * 2 ** 24);
  const exponent = exponentOf(x);
  return sign | ((exponent - leastExponent) * 1024 + magnitude * 2 ** (10 - exponent));
}

/** The value of 16 bits. */
export function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(bits >>> 10) & 0x1f, bits & 0x3ff];
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

/** Whether arrays of f16 hold 16 bits each and round what is stored; otherwise they are f32 arrays of the same values. */
export const hasHalfArrays = typeof Float16Array === "function";
