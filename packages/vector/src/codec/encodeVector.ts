/** Whole vectors through a codec: encoding with what was owed from the last one (error feedback), and decoding. */
import { LengthError, ValueError } from "../errors.ts";
import { allFinite } from "../check.ts";
import type { CodecKind } from "./codecSpec.ts";
import type { VectorCodec } from "./vectorCodec.ts";

/**
 * What a sender keeps from one vector to the next: `residual`, what encoding has lost so far, and `basis`, where a low-rank
 * codec left off. Empty for codecs that keep nothing.
 */
export interface CodecMemory {
  readonly residual?: Float32Array | undefined;
  readonly basis?: Float32Array | undefined;
}

export interface EncodedVector {
  readonly bytes: Uint8Array;
  /** What to keep once this encoding has counted; the memory given stays as it is, for when it has not. */
  readonly memory: CodecMemory;
}

/**
 * Encodes a vector. With a feedback codec, the values encoded are those given plus what was lost before, so that over time
 * nothing is: the sum of all that was decoded and the residual is the sum of all that was given.
 *
 * @throws {ValueError} for values that the codec cannot compute with
 */
export function encodeVector(
  codec: VectorCodec,
  values: Float32Array,
  { seed, memory = {} }: { readonly seed: number; readonly memory?: CodecMemory | undefined },
): EncodedVector {
  if (values.length !== codec.size) {
    throw new LengthError(`a vector of ${codec.size} elements expected, got ${values.length}`);
  }
  const bytes = new Uint8Array(codec.encodedBytes);
  const residual = codec.feedback ? addTo(values, memory.residual) : undefined;
  const basis = codec.basisElements > 0 ? new Float32Array(codec.basisElements) : undefined;
  if (memory.basis?.length === codec.basisElements) basis?.set(memory.basis);
  const longest = codec.segments.reduce((most, { start, end }) => Math.max(most, end - start), 0);
  const decoded = new Float32Array(residual ? longest : 0);
  for (const [index, { start, end, offset, bytes: length }] of codec.segments.entries()) {
    const own = bytes.subarray(offset, offset + length);
    const given = (residual ?? values).subarray(start, end);
    codec.encodeSegment(index, given, own, { seed, basis });
    if (residual === undefined) continue;
    const back = decoded.subarray(0, end - start);
    codec.decodeSegment(index, own, back);
    for (let i = 0; i < given.length; i++) given[i]! -= back[i]!;
  }
  return { bytes, memory: { ...(residual && { residual }), ...(basis && { basis }) } };
}

/**
 * Decodes what `encodeVector` made.
 *
 * @throws {LengthError} for bytes or a target of another length
 * @throws {ValueError} for bytes that no encoder makes, or that stand for values which are not finite
 */
export function decodeVector(codec: VectorCodec, bytes: Uint8Array, out: Float32Array): void {
  if (bytes.length !== codec.encodedBytes || out.length !== codec.size) {
    throw new LengthError(
      `codec ${codec.text}: ${codec.size} values take ${codec.encodedBytes} bytes, got ${bytes.length} for ${out.length}`,
    );
  }
  for (const [index, { start, end, offset, bytes: length }] of codec.segments.entries()) {
    const values = out.subarray(start, end);
    codec.decodeSegment(index, bytes.subarray(offset, offset + length), values);
    if (codec.spec.kind in canBeInfinite && !allFinite(values)) {
      throw new ValueError(`codec ${codec.text}: elements ${start} to ${end - 1} hold NaN or infinity`);
    }
  }
}

/** Codecs whose bytes may stand for infinities and NaN; the others refuse such bytes, or have none. */
const canBeInfinite: { readonly [K in CodecKind]?: true } = { f32: true, f16: true, bf16: true };

function addTo(values: Float32Array, before: Float32Array | undefined): Float32Array {
  const sum = values.slice();
  if (before?.length !== values.length) return sum;
  for (let i = 0; i < sum.length; i++) sum[i]! += before[i]!;
  return sum;
}
