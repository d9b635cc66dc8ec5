/** The sign codec (scaled signSGD, Karimireddy et al. 2019): the signs of a group and its mean magnitude. */
import { type BlockCodec, checkEncodedLength, notFinite } from "./blockCodec.ts";
import { putScale, readScale } from "./scale.ts";

/** Values that share a scale. */
export const signGroup = 256;

export const sign: BlockCodec = {
  name: "sign",
  encodedBytes: (elements) => 2 * Math.ceil(elements / signGroup) + Math.ceil(elements / 8),
  encode(values, out) {
    checkEncodedLength(sign, out, values.length);
    const groups = Math.ceil(values.length / signGroup);
    out.fill(0, 2 * groups);
    for (let group = 0; group < groups; group++) {
      const start = group * signGroup;
      const end = Math.min(start + signGroup, values.length);
      let sum = 0;
      for (let i = start; i < end; i++) {
        sum += Math.abs(values[i]!);
        if (values[i]! < 0) out[2 * groups + (i >> 3)]! |= 1 << (i & 7);
      }
      if (!(sum < Infinity)) throw notFinite("sign");
      putScale(out, group, { wanted: sum / (end - start), largest: 1 });
    }
  },
  decode(bytes, out) {
    checkEncodedLength(sign, bytes, out.length);
    const groups = Math.ceil(out.length / signGroup);
    let scale = 0;
    for (let i = 0; i < out.length; i++) {
      if (i % signGroup === 0) scale = readScale("sign", bytes, { group: i / signGroup, largest: 1 });
      out[i] = (bytes[2 * groups + (i >> 3)]! >> (i & 7)) & 1 ? 0 - scale : scale;
    }
  },
};
