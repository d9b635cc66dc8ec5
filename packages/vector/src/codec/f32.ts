/** The f32 codec: values as they are in memory. All codecs are little-endian, as every engine Weft runs on. */
import { type BlockCodec, checkEncodedLength } from "./blockCodec.ts";

export const f32: BlockCodec = {
  name: "f32",
  encodedBytes: (elements) => elements * 4,
  encode(values, out) {
    checkEncodedLength(f32, out, values.length);
    out.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  },
  decode(bytes, out) {
    checkEncodedLength(f32, bytes, out.length);
    new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(bytes);
  },
};
