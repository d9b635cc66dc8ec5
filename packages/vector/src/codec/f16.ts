/** The f16 codec: IEEE 754 binary16, rounded to nearest, ties to even. Overflow becomes infinity, NaN stays a quiet NaN. */
import { type BlockCodec, checkEncodedLength } from "./blockCodec.ts";

export const f16: BlockCodec = {
  name: "f16",
  encodedBytes: (elements) => elements * 2,
  encode(values, out) {
    checkEncodedLength(f16, out, values.length);
    const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
    for (let i = 0; i < words.length; i++) {
      const half = halfOf(words[i]!, values[i]!);
      out[2 * i] = half;
      out[2 * i + 1] = half >>> 8;
    }
  },
  decode(bytes, out) {
    checkEncodedLength(f16, bytes, out.length);
    const table = (decoded ??= decodeTable());
    for (let i = 0; i < out.length; i++) {
      out[i] = table[bytes[2 * i]! | (bytes[2 * i + 1]! << 8)]!;
    }
  },
};

/** First binary32 magnitudes, as bits, that are past every half (2^16), and that are normal halves (2^-14). */
const overflowBits = 0x47800000;
const normalBits = 0x38800000;

/** The half nearest to `value`, whose binary32 pattern is `word`. */
function halfOf(word: number, value: number): number {
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude >= overflowBits) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
  if (magnitude >= normalBits) {
    // Re-bias the exponent by 112 and round away 13 bits; a carry runs into the exponent, at the top into infinity.
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  }
  // Subnormal halves are multiples of 2^-24: count them; adding 2^52 in f64 rounds once, to nearest even.
  return sign | (Math.abs(value) * 2 ** 24 + 2 ** 52 - 2 ** 52);
}

/** All 65,536 halves as f32: 256 KiB, made at the first decode. */
let decoded: Float32Array | undefined;

function decodeTable(): Float32Array {
  const table = new Float32Array(65536);
  for (let half = 0; half < 65536; half++) {
    const exponent = (half >>> 10) & 31;
    const fraction = half & 0x3ff;
    const sign = half & 0x8000 ? -1 : 1;
    if (exponent === 31) table[half] = fraction === 0 ? sign * Infinity : NaN;
    else if (exponent === 0) table[half] = sign * fraction * 2 ** -24;
    else table[half] = sign * (fraction + 1024) * 2 ** (exponent - 25);
  }
  return table;
}
