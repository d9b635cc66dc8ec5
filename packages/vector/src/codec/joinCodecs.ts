/** One codec over several vectors that lie one after the other, each encoded as if it were alone: no segment crosses where they meet. */
import { CodecError } from "../errors.ts";
import type { DeltaParts } from "./delta.ts";
import type { Segment, VectorCodec } from "./vectorCodec.ts";

/** @throws {CodecError} for no codec at all, and for codecs that differ in more than their layout */
export function joinCodecs(codecs: readonly VectorCodec[]): VectorCodec {
  const [first, ...others] = codecs;
  if (first === undefined) throw new CodecError("at least one codec expected to join, got none");
  const odd = others.find(({ text }) => text !== first.text);
  if (odd !== undefined) throw new CodecError(`codecs of one kind expected to join, got ${first.text} and ${odd.text}`);
  if (others.length === 0) return first;
  const segments: Segment[] = [];
  const owners: { readonly codec: VectorCodec; readonly index: number; readonly basisAt: number }[] = [];
  let [size, encodedBytes, basisElements] = [0, 0, 0];
  for (const codec of codecs) {
    for (const [index, { start, end, offset, bytes }] of codec.segments.entries()) {
      segments.push({ start: size + start, end: size + end, offset: encodedBytes + offset, bytes });
      owners.push({ codec, index, basisAt: basisElements });
    }
    size += codec.size;
    encodedBytes += codec.encodedBytes;
    basisElements += codec.basisElements;
  }
  const { spec, text, feedback } = first;
  return {
    ...{ spec, text, feedback, size, encodedBytes, segments, basisElements },
    encodeSegment(segment, values, out, { seed, basis }) {
      const { codec, index, basisAt } = ownerOf(segment);
      const own = basis?.subarray(basisAt, basisAt + codec.basisElements);
      codec.encodeSegment(index, values, out, { seed, basis: own });
    },
    encodeSegmentOwing(segment, values, owed, encoding) {
      const { codec, index, basisAt } = ownerOf(segment);
      const basis = encoding.basis?.subarray(basisAt, basisAt + codec.basisElements);
      codec.encodeSegmentOwing(index, values, owed, { ...encoding, basis });
    },
    decodeSegment(segment, bytes, out, from) {
      const { codec, index } = ownerOf(segment);
      codec.decodeSegment(index, bytes, out, from);
    },
  };

  function ownerOf(segment: number) {
    const owner = owners[segment];
    if (owner === undefined) throw new CodecError(`segment ${segment}: the vector has ${owners.length}`);
    return owner;
  }
}

/** Elements of a vector. */
export interface Elements {
  readonly start: number;
  readonly end: number;
}

/** The codec over what lies within these ranges alone, each at its place in the whole vector and the whole encoding: for deltas of parts. */
export function withinRanges(codec: VectorCodec, ranges: readonly Elements[]): Pick<VectorCodec, DeltaParts> {
  const { spec, text, encodedBytes } = codec;
  const lies = ({ start, end }: Segment) => ranges.some((range) => range.start <= start && end <= range.end);
  return { spec, text, encodedBytes, segments: codec.segments.filter(lies) };
}

/** Where elements [start, end) of the vector lie encoded, which begin and end with segments. */
export function encodedRange(
  { segments }: VectorCodec,
  { start, end }: Elements,
): { readonly from: number; readonly to: number } {
  const first = segments.find((segment) => segment.start === start);
  const last = segments.find((segment) => segment.end === end);
  if (first === undefined || last === undefined) {
    throw new CodecError(`elements ${start} to ${end} expected to begin and end with segments of the codec`);
  }
  return { from: first.offset, to: last.offset + last.bytes };
}
