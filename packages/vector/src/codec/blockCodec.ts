/** What every codec of runs offers, and the length check that all of them share. */
import { LengthError, ValueError } from "../errors.ts";

/** Turns a run of at most a block's values into bytes and back, by itself; how many values there are travels beside the bytes. */
export interface BlockCodec {
  readonly name: string;
  /** Bytes of `elements` encoded values. */
  encodedBytes(elements: number): number;
  /**
   * Encodes into `out`.
   *
   * @param seed of the codec's random choices, where it makes any
   * @throws {LengthError} when `out` is not exactly `encodedBytes(values.length)` long
   * @throws {ValueError} for NaN and infinities, by every codec that computes with the values
   */
  encode(values: Float32Array, out: Uint8Array, seed: number): void;
  /**
   * Decodes into `out`; `bytes` may start at any address.
   *
   * @throws {LengthError} when `bytes` is not exactly `encodedBytes(out.length)` long; `out` is then untouched
   * @throws {ValueError} for bytes that no encoder makes
   */
  decode(bytes: Uint8Array, out: Float32Array): void;
}

/** Throws unless `bytes` is what `elements` values of this codec take. */
export function checkEncodedLength(codec: BlockCodec, bytes: Uint8Array, elements: number): void {
  const expected = codec.encodedBytes(elements);
  if (bytes.length !== expected) {
    throw new LengthError(
      `codec ${codec.name}: ${elements} values take ${expected} bytes, got ${bytes.length}; is it another block or codec?`,
    );
  }
}

/** For values that a codec cannot compute with. */
export function notFinite(name: string): ValueError {
  return new ValueError(`codec ${name}: finite values expected, got NaN or infinity; lower the learning rate?`);
}
