/** The f32 codec: values as they are in memory. */
import { type Codec, checkEncodedLength } from "./codecContract.ts";

export const f32: Codec = {
  name: "f32",
  encodedBytes: (elements) => elements * 4,
  encode(values, out = new Uint8Array(values.byteLength)) {
    checkEncodedLength(f32, out, values.length);
    out.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    return out;
  },
  decode(bytes, out) {
    checkEncodedLength(f32, bytes, out.length);
    new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(bytes);
  },
};
