/** Whole vectors through a codec: encoding with what was owed from the last one (error feedback), and decoding. */
import { LengthError, ValueError } from "../errors.ts";
import { allFinite } from "../check.ts";
import { createRoom } from "../kernels/kernels.ts";
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

export interface VectorEncoding {
  /** Of the codec's random choices. */
  readonly seed: number;
  /** What the encoding before left to keep. */
  readonly memory?: CodecMemory | undefined;
  /**
   * An encoding by the same codec of which nobody needs anything any more: its memory is taken for this one. Fresh memory of a
   * large vector costs several times what encoding does, for the system hands it out page by page.
   */
  readonly reuse?: EncodedVector | undefined;
}

/**
 * Memory for encodings that follow one another, to be given as `reuse`, each while nobody needs the other: kernels reach what is
 * owed where it lies, which saves two copies of the vector each time. Two suffice where one counts before the next but one begins.
 */
export function encodingRoom(codec: VectorCodec): readonly [EncodedVector, EncodedVector] {
  const { size, feedback } = codec;
  const room = feedback && size >= leastForRoom ? createRoom(size, 2) : [];
  const of = (index: 0 | 1): EncodedVector => {
    const residual = feedback ? (room[index] ?? new Float32Array(size)) : undefined;
    return { bytes: new Uint8Array(codec.encodedBytes), memory: residual === undefined ? {} : { residual } };
  };
  return [of(0), of(1)];
}

/** Fewer elements are copied in less than a millisecond: not worth a memory of their own. */
const leastForRoom = 2 ** 20;

/**
 * Encodes a vector. With a feedback codec, the values encoded are those given plus what was lost before, so that over time
 * nothing is: the sum of all that was decoded and the residual is the sum of all that was given.
 *
 * @throws {ValueError} for values that the codec cannot compute with
 */
export function encodeVector(
  codec: VectorCodec,
  values: Float32Array,
  { seed, memory = {}, reuse }: VectorEncoding,
): EncodedVector {
  if (values.length !== codec.size) {
    throw new LengthError(`a vector of ${codec.size} elements expected, got ${values.length}`);
  }
  const bytes = reuse?.bytes.length === codec.encodedBytes ? reuse.bytes : new Uint8Array(codec.encodedBytes);
  const before = memory.residual?.length === codec.size ? memory.residual : undefined;
  const residual = codec.feedback ? residualRoom(codec, before, reuse) : undefined;
  const basis = codec.basisElements > 0 ? new Float32Array(codec.basisElements) : undefined;
  if (memory.basis?.length === codec.basisElements) basis?.set(memory.basis);
  for (const [index, { start, end, offset, bytes: length }] of codec.segments.entries()) {
    const out = bytes.subarray(offset, offset + length);
    const given = values.subarray(start, end);
    if (residual === undefined) codec.encodeSegment(index, given, out, { seed, basis });
    else {
      const owed = { before: before?.subarray(start, end), after: residual.subarray(start, end) };
      codec.encodeSegmentOwing(index, given, owed, { seed, basis, out });
    }
  }
  return { bytes, memory: { ...(residual && { residual }), ...(basis && { basis }) } };
}

function residualRoom(
  codec: VectorCodec,
  before: Float32Array | undefined,
  reuse: EncodedVector | undefined,
): Float32Array {
  const room = reuse?.memory.residual;
  return room?.length === codec.size && room !== before ? room : new Float32Array(codec.size);
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
