/** The f16 codec: IEEE 754 binary16, rounded to nearest, ties to even. Overflow becomes infinity, NaN stays a quiet NaN. */
import { type Kernels, kernels } from "../kernels/kernels.ts";
import { fromHalvesBy, toHalvesBy } from "../kernels/throughKernels.ts";
import { type BlockCodec, checkEncodedLength } from "./blockCodec.ts";

export const f16 = f16With(kernels);

/** @param simd gives the kernels for most of the values, where there are any; the plain loops define the bits */
export function f16With(simd: () => Kernels | undefined): BlockCodec {
  const codec: BlockCodec = {
    name: "f16",
    encodedBytes: (elements) => elements * 2,
    encode(values, out) {
      checkEncodedLength(codec, out, values.length);
      const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
      for (let i = toHalvesBy(simd(), "toHalves", { values, out }); i < words.length; i++) {
        const half = halfOf(words[i]!, values[i]!);
        out[2 * i] = half;
        out[2 * i + 1] = half >>> 8;
      }
    },
    decode(bytes, out) {
      checkEncodedLength(codec, bytes, out.length);
      for (let i = fromHalvesBy(simd(), "fromHalves", { bytes, out }); i < out.length; i++) {
        out[i] = valueOf(bytes[2 * i]! | (bytes[2 * i + 1]! << 8));
      }
    },
  };
  return codec;
}

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

function valueOf(half: number): number {
  const exponent = (half >>> 10) & 31;
  const fraction = half & 0x3ff;
  const sign = half & 0x8000 ? -1 : 1;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (fraction + 1024) * 2 ** (exponent - 25);
}
