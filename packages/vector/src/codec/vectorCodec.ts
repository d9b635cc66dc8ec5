/** A codec over a whole flat vector, in segments that are each decoded by themselves: blocks, or matrices and what lies between. */
import { blockCount, blockRange } from "../block.ts";
import { LengthError } from "../errors.ts";
import type { Manifest } from "../manifest.ts";
import { bf16 } from "./bf16.ts";
import { type BlockCodec, encodeOwing, type Owed } from "./blockCodec.ts";
import { codecText, type CodecSpec, type PlainCodec, usesFeedback } from "./codecSpec.ts";
import { f16 } from "./f16.ts";
import { f32 } from "./f32.ts";
import { int2 } from "./int2.ts";
import { int4, int8 } from "./integers.ts";
import { type LowRankPart, lowRankParts, matrixOf } from "./lowRank.ts";
import { sign } from "./sign.ts";
import { mixed, randomK, topK } from "./sparse.ts";

/** Elements [start, end) of the vector, as `bytes` encoded bytes from `offset` on. */
export interface Segment {
  readonly start: number;
  readonly end: number;
  readonly offset: number;
  readonly bytes: number;
}

export interface EncodeSettings {
  /** Of the codec's random choices. */
  readonly seed: number;
  /** Of a codec with `basisElements`: where the last encoding of such a vector left off; updated in place. */
  readonly basis?: Float32Array | undefined;
}

/** Where a segment goes, and how. */
export interface SegmentEncoding extends EncodeSettings {
  readonly out: Uint8Array;
}

export interface VectorCodec {
  readonly spec: CodecSpec;
  /** As `codecText` gives it. */
  readonly text: string;
  /** Elements of the vector. */
  readonly size: number;
  readonly encodedBytes: number;
  /** In order, without gaps in elements or bytes. */
  readonly segments: readonly Segment[];
  /** What is lost of a vector is to be added to the next. */
  readonly feedback: boolean;
  /** Elements that the encoder keeps from one vector to the next, to begin where it left off; 0 for most codecs. */
  readonly basisElements: number;
  /**
   * Encodes one segment's values into its bytes.
   *
   * @throws {ValueError} for values it cannot compute with
   */
  encodeSegment(segment: number, values: Float32Array, out: Uint8Array, settings: EncodeSettings): void;
  /**
   * Encodes one segment's values and what was owed before, in the bytes that `encodeSegment` gives for their sum; writes what is
   * owed after.
   */
  encodeSegmentOwing(segment: number, values: Float32Array, owed: Owed, encoding: SegmentEncoding): void;
  /**
   * Decodes elements of a segment, from element `from` of it on.
   *
   * Only codecs of matrices take runs that begin or end within a segment.
   *
   * @throws {LengthError} for bytes of another length, {@link ValueError} for bytes that no encoder makes
   */
  decodeSegment(segment: number, bytes: Uint8Array, out: Float32Array, from?: number): void;
}

const plainCodecs: { readonly [K in PlainCodec]: BlockCodec } = {
  f32,
  f16,
  bf16,
  int8,
  int4,
  int2,
  sign,
};

/** The codec for vectors of this layout; only low-rank codecs look at more of it than its size. */
export function openCodec(spec: CodecSpec, manifest: Manifest): VectorCodec {
  switch (spec.kind) {
    case "lowRank":
      return lowRankCodec(spec, manifest);
    case "topK":
      return blockwise(spec, topK(spec.fraction), manifest.size);
    case "randomK":
      return blockwise(spec, randomK(spec.fraction), manifest.size);
    default:
      return blockwise(spec, plainCodecs[spec.kind], manifest.size);
  }
}

function blockwise(spec: CodecSpec, codec: BlockCodec, size: number): VectorCodec {
  const ranges = Array.from({ length: blockCount(size) }, (_, block) => blockRange(size, block));
  const segments = placed(ranges, ({ start, end }) => codec.encodedBytes(end - start));
  return {
    ...common(spec, size, segments),
    basisElements: 0,
    encodeSegment(segment, values, out, { seed }) {
      checkElements(segments, segment, values.length);
      codec.encode(values, out, mixed(seed, segment));
    },
    encodeSegmentOwing(segment, values, owed, { out, seed }) {
      checkElements(segments, segment, values.length);
      encodeOwing(codec, values, owed, { out, seed: mixed(seed, segment) });
    },
    decodeSegment(segment, bytes, out, from = 0) {
      checkElements(segments, segment, from + out.length);
      codec.decode(bytes, out);
    },
  };
}

function lowRankCodec(spec: Extract<CodecSpec, { kind: "lowRank" }>, manifest: Manifest): VectorCodec {
  const parts = lowRankParts(manifest, spec.rank);
  const matrices = parts.map((part) => (part.kind === "matrix" ? matrixOf(part, spec.rank) : undefined));
  const segments = placed(parts, (part: LowRankPart, index) => {
    return matrices[index]?.encodedBytes ?? int8.encodedBytes(part.end - part.start);
  });
  let basisElements = 0;
  const basisAt = matrices.map(
    (matrix) => (basisElements += matrix?.basisElements ?? 0) - (matrix?.basisElements ?? 0),
  );
  const ownBasis = (segment: number, basis: Float32Array | undefined): Float32Array => {
    const [at, elements] = [basisAt[segment]!, matrices[segment]!.basisElements];
    return basis?.subarray(at, at + elements) ?? new Float32Array(elements);
  };
  return {
    ...common(spec, manifest.size, segments),
    basisElements,
    encodeSegment(segment, values, out, { seed, basis }) {
      checkElements(segments, segment, values.length);
      const matrix = matrices[segment];
      if (matrix === undefined) int8.encode(values, out, 0);
      else matrix.encode(values, out, { seed: mixed(seed, segment), basis: ownBasis(segment, basis) });
    },
    encodeSegmentOwing(segment, values, owed, { out, seed, basis }) {
      checkElements(segments, segment, values.length);
      const matrix = matrices[segment];
      if (matrix === undefined) {
        encodeOwing(int8, values, owed, { out, seed: 0 });
        return;
      }
      matrix.encodeOwing(values, owed, out, { seed: mixed(seed, segment), basis: ownBasis(segment, basis) });
    },
    decodeSegment(segment, bytes, out, from = 0) {
      const matrix = matrices[segment];
      if (matrix !== undefined) matrix.decode(bytes, out, from);
      else {
        checkElements(segments, segment, from + out.length);
        int8.decode(bytes, out);
      }
    },
  };
}

function common(spec: CodecSpec, size: number, segments: readonly Segment[]) {
  const last = segments.at(-1);
  const encodedBytes = last === undefined ? 0 : last.offset + last.bytes;
  return { spec, text: codecText(spec), size, segments, encodedBytes, feedback: usesFeedback(spec) };
}

/** Lays segments of these ranges one after the other. */
function placed<R extends { readonly start: number; readonly end: number }>(
  ranges: readonly R[],
  bytesOf: (range: R, index: number) => number,
): Segment[] {
  let offset = 0;
  return ranges.map((range, index) => {
    const bytes = bytesOf(range, index);
    offset += bytes;
    return { start: range.start, end: range.end, offset: offset - bytes, bytes };
  });
}

function checkElements(segments: readonly Segment[], index: number, elements: number): void {
  const segment = segments[index];
  if (segment !== undefined && segment.end - segment.start === elements) return;
  throw new LengthError(
    segment === undefined
      ? `segment ${index}: the vector has ${segments.length}`
      : `segment ${index} has ${segment.end - segment.start} elements, got ${elements}`,
  );
}
