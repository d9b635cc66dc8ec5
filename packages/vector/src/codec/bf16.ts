/** The bf16 codec: the upper half of an f32, rounded to nearest, ties to even. NaN stays a quiet NaN. */
import { type Kernels, kernels } from "../kernels/kernels.ts";
import { fromHalvesBy, toHalvesBy } from "../kernels/throughKernels.ts";
import { type BlockCodec, checkEncodedLength } from "./blockCodec.ts";
import { upperHalf } from "./scale.ts";

export const bf16 = bf16With(kernels);

/** @param simd gives the kernels for most of the values, where there are any; the plain loops define the bits */
export function bf16With(simd: () => Kernels | undefined): BlockCodec {
  const codec: BlockCodec = {
    name: "bf16",
    encodedBytes: (elements) => elements * 2,
    encode(values, out) {
      checkEncodedLength(codec, out, values.length);
      const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
      for (let i = toHalvesBy(simd(), "toBrains", { values, out }); i < words.length; i++) {
        const upper = upperHalf(words[i]!);
        out[2 * i] = upper;
        out[2 * i + 1] = upper >>> 8;
      }
    },
    decode(bytes, out) {
      checkEncodedLength(codec, bytes, out.length);
      const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
      for (let i = fromHalvesBy(simd(), "fromBrains", { bytes, out }); i < words.length; i++) {
        words[i] = (bytes[2 * i]! << 16) | (bytes[2 * i + 1]! << 24);
      }
    },
  };
  return codec;
}
