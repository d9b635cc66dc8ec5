/** What every codec offers, and the length checks that all of them share. */
import { LengthError } from "./errors.ts";

export type CodecName = "f32" | "f16";

/** Turns a run of values (a block, usually) into bytes and back; the number of values travels beside the bytes, not in them. */
export interface Codec {
  readonly name: CodecName;
  /** Bytes of `elements` encoded values. */
  encodedBytes(elements: number): number;
  /**
   * Encodes into `out`, or into fresh bytes.
   *
   * @returns `out`, or the fresh bytes
   * @throws {LengthError} when `out` is not exactly `encodedBytes(values.length)` long
   */
  encode(values: Float32Array, out?: Uint8Array): Uint8Array;
  /**
   * Decodes into `out`; `bytes` may start at any address.
   *
   * @throws {LengthError} when `bytes` is not exactly `encodedBytes(out.length)` long; `out` is then untouched
   */
  decode(bytes: Uint8Array, out: Float32Array): void;
}

/** Throws unless `bytes` is what `elements` values of this codec take. */
export function checkEncodedLength(codec: Codec, bytes: Uint8Array, elements: number): void {
  const expected = codec.encodedBytes(elements);
  if (bytes.length !== expected) {
    throw new LengthError(
      `codec ${codec.name}: ${elements} values take ${expected} bytes, got ${bytes.length}; is it another block or codec?`,
    );
  }
}
