/** The bf16 codec: the upper half of an f32, rounded to nearest, ties to even. NaN stays a quiet NaN. */
import { type BlockCodec, checkEncodedLength } from "./blockCodec.ts";

export const bf16: BlockCodec = {
  name: "bf16",
  encodedBytes: (elements) => elements * 2,
  encode(values, out) {
    checkEncodedLength(bf16, out, values.length);
    const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
    for (let i = 0; i < words.length; i++) {
      const upper = upperHalf(words[i]!);
      out[2 * i] = upper;
      out[2 * i + 1] = upper >>> 8;
    }
  },
  decode(bytes, out) {
    checkEncodedLength(bf16, bytes, out.length);
    const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
    for (let i = 0; i < words.length; i++) words[i] = (bytes[2 * i]! << 16) | (bytes[2 * i + 1]! << 24);
  },
};

/** The bf16 nearest to an f32, both as bits. */
function upperHalf(word: number): number {
  // Rounding could turn a NaN into an infinity.
  if ((word & 0x7fffffff) > 0x7f800000) return (word >>> 16) | 0x40;
  return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
}

const value = new Float32Array(1);
const word = new Uint32Array(value.buffer);

/** The bf16 nearest to `x`, as bits. */
export function bitsOfBf16(x: number): number {
  value[0] = x;
  return upperHalf(word[0]!);
}

/** The value of a bf16's bits. */
export function valueOfBf16(bits: number): number {
  word[0] = bits << 16;
  return value[0]!;
}
