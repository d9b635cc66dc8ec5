/** What every codec of runs offers, and the length check that all of them share. */
import { blockElements } from "../block.ts";
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
   * Encodes values and what was owed before, in the bytes that `encode` gives for their sum, and writes what is owed after. For
   * codecs that do it faster than by decoding what they encoded.
   */
  encodeOwing?(values: Float32Array, owed: Owed, out: Uint8Array, seed: number): void;
  /**
   * Decodes into `out`; `bytes` may start at any address.
   *
   * @throws {LengthError} when `bytes` is not exactly `encodedBytes(out.length)` long; `out` is then untouched
   * @throws {ValueError} for bytes that no encoder makes
   */
  decode(bytes: Uint8Array, out: Float32Array): void;
}

/** What encoding has lost of the values before, and of these: as many as there are values. */
export interface Owed {
  readonly before: Float32Array | undefined;
  /** Overwritten. */
  readonly after: Float32Array;
}

/** Encodes values and what was owed before; writes what is owed after. */
export function encodeOwing(
  codec: BlockCodec,
  values: Float32Array,
  owed: Owed,
  { out, seed }: { readonly out: Uint8Array; readonly seed: number },
): void {
  if (codec.encodeOwing !== undefined) {
    codec.encodeOwing(values, owed, out, seed);
    return;
  }
  sumWithOwed(values, owed, 0);
  codec.encode(owed.after, out, seed);
  const decoded = new Float32Array(values.length);
  codec.decode(out, decoded);
  for (let i = 0; i < decoded.length; i++) owed.after[i]! -= decoded[i]!;
}

/** after = values + before, from element `from` on. */
export function sumWithOwed(values: Float32Array, { before, after }: Owed, from: number): void {
  if (before === undefined) after.set(values.subarray(from), from);
  else for (let i = from; i < values.length; i++) after[i] = values[i]! + before[i]!;
}

/** Throws for more values than a block has. */
export function checkRun(name: string, elements: number): void {
  if (elements > blockElements) throw new LengthError(`codec ${name}: at most ${blockElements} values at once`);
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
