/**
 * Deltas: the encoded bytes of one version as their difference from another's, without loss. Most codes of two versions that
 * follow each other are equal or neighbours; so differences are taken code by code and packed in groups, each in as many bits
 * as its largest needs.
 */
import { DeltaError } from "../errors.ts";
import { groupUnits, type UnitBits, type Units } from "../kernels/delta.ts";
import { deltaAt, type DeltaKernels, deltaKernels, fromAt, pieceBytes, toAt } from "../kernels/deltaKernels.ts";
import type { CodecKind } from "./codecSpec.ts";
import { int4Shape, int8Shape } from "./groupShape.ts";
import type { Segment, VectorCodec } from "./vectorCodec.ts";

/** Bytes [from, to) of an encoding, as units of so many bits; floats are compared in the order of their values. */
interface Run extends Units {
  readonly from: number;
  readonly to: number;
}

/** What of a codec its deltas depend on. */
export type DeltaParts = "spec" | "text" | "segments" | "encodedBytes";
type DeltaCodec = Pick<VectorCodec, DeltaParts>;

interface Codes extends Units {
  /** Values that share a scale, in front of the codes. */
  readonly group?: number;
}

/** The codecs whose versions have deltas. */
const codesOf: { readonly [K in CodecKind]?: Codes } = {
  f32: { bits: 32, isFloat: true },
  f16: { bits: 16, isFloat: true },
  bf16: { bits: 16, isFloat: true },
  int8: { bits: 8, isFloat: false, group: int8Shape.group },
  int4: { bits: 4, isFloat: false, group: int4Shape.group },
};

/** Encodes deltas, and applies them. */
export interface Deltas {
  /**
   * The delta in parts, one for each segment, so that a caller may let others have their turn between them.
   *
   * @throws {DeltaError} for a codec that has none, and for encodings of another length
   */
  readonly encodeDelta: (codec: DeltaCodec, from: Uint8Array, to: Uint8Array) => Generator<Uint8Array, void, undefined>;
  /**
   * Writes the version that a delta leads to, segment by segment.
   *
   * @throws {DeltaError} for bytes that are no delta of this codec
   */
  readonly applyDelta: (
    codec: DeltaCodec,
    delta: Uint8Array,
    versions: { readonly from: Uint8Array; readonly to: Uint8Array },
  ) => Generator<void, void, undefined>;
}

/** @param simd gives the kernels for whole groups, where there are any; the plain loops define the bytes */
export function deltasBy(simd: () => DeltaKernels | undefined): Deltas {
  return {
    *encodeDelta(codec, from, to) {
      checkLengths(codec, from, to);
      const longest = codec.segments.reduce((most, { bytes }) => Math.max(most, bytes), 0);
      // A group that is no shorter than it was takes a byte more.
      const out = new Uint8Array(longest + Math.ceil((8 * longest) / groupUnits) + 2);
      for (const segment of codec.segments) {
        let at = 0;
        for (const run of runsOf(codec, segment)) {
          const done = packGroups(simd(), run, { from, to, out, at });
          at = packRun(done.rest, { from, to, out, at: done.at });
        }
        yield out.slice(0, at);
      }
    },

    *applyDelta(codec, delta, { from, to }) {
      checkLengths(codec, from, to);
      let at = 0;
      for (const segment of codec.segments) {
        for (const run of runsOf(codec, segment)) {
          const done = unpackGroups(simd(), run, { from, to, delta, at });
          at = unpackRun(done.rest, { from, to, delta, at: done.at });
        }
        yield;
      }
      if (at !== delta.length) throw new DeltaError(`a delta of ${at} bytes expected, got ${delta.length}`);
    },
  };
}

export const { encodeDelta, applyDelta } = deltasBy(deltaKernels);

function checkLengths(codec: DeltaCodec, from: Uint8Array, to: Uint8Array): void {
  if (codesOf[codec.spec.kind] === undefined) {
    throw new DeltaError(`codec ${codec.text} has no deltas; send the version whole`);
  }
  if (from.length === codec.encodedBytes && to.length === codec.encodedBytes) return;
  throw new DeltaError(
    `codec ${codec.text}: encodings of ${codec.encodedBytes} bytes expected, got ${from.length} and ${to.length}`,
  );
}

function runsOf(codec: DeltaCodec, { start, end, offset, bytes }: Segment): Run[] {
  const { bits, isFloat, group } = codesOf[codec.spec.kind]!;
  const codes = {
    from: offset + (group ? 2 * Math.ceil((end - start) / group) : 0),
    to: offset + bytes,
    bits,
    isFloat,
  };
  return group ? [{ from: offset, to: codes.from, bits: 16, isFloat: false }, codes] : [codes];
}

interface Done {
  /** What the plain loops have to do. */
  readonly rest: Run;
  /** Where that begins in the delta. */
  readonly at: number;
}

/** Packs a run's whole groups by the kernels. */
function packGroups(simd: DeltaKernels | undefined, run: Run, { from, to, out, at: start }: Packing): Done {
  if (simd === undefined) return { rest: run, at: start };
  let at = start;
  for (const piece of piecesOf(run)) {
    simd.bytes.set(from.subarray(piece.from, piece.to), fromAt);
    simd.bytes.set(to.subarray(piece.from, piece.to), toAt);
    const end = simd.pack(run, fromAt, toAt, deltaAt, piece.groups);
    out.set(simd.bytes.subarray(deltaAt, end), at);
    at += end - deltaAt;
  }
  return { rest: restOf(run), at };
}

/** Unpacks a run's whole groups by the kernels. */
function unpackGroups(simd: DeltaKernels | undefined, run: Run, { from, to, delta, at: start }: Unpacking): Done {
  if (simd === undefined) return { rest: run, at: start };
  let at = start;
  for (const piece of piecesOf(run)) {
    simd.bytes.set(from.subarray(piece.from, piece.to), fromAt);
    // No piece's delta is longer.
    const own = delta.subarray(at, at + piece.groups * (1 + (groupUnits * run.bits) / 8));
    simd.bytes.set(own, deltaAt);
    const end = simd.unpack(run, fromAt, toAt, deltaAt, deltaAt + own.length, piece.groups);
    if (end < 0) throw cutShort(at + (-1 - end - deltaAt));
    to.set(simd.bytes.subarray(toAt, toAt + piece.to - piece.from), piece.from);
    at += end - deltaAt;
  }
  return { rest: restOf(run), at };
}

const groupBytes = ({ bits }: Run): number => (groupUnits * bits) / 8;

/** What whole groups leave of a run. */
function restOf(run: Run): Run {
  return { ...run, from: run.to - ((run.to - run.from) % groupBytes(run)) };
}

/** The whole groups of a run, as many at a time as the kernels have room for. */
function piecesOf(run: Run): { readonly from: number; readonly to: number; readonly groups: number }[] {
  const { from: end } = restOf(run);
  const pieces = [];
  for (let from = run.from; from < end; from += pieceBytes) {
    const to = Math.min(from + pieceBytes, end);
    pieces.push({ from, to, groups: (to - from) / groupBytes(run) });
  }
  return pieces;
}

interface Packing {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  readonly out: Uint8Array;
  readonly at: number;
}

/** Returns where the next run is to be written. */
function packRun(run: Run, { from, to, out, at: start }: Packing): number {
  const units = new Uint32Array(groupUnits);
  const total = ((run.to - run.from) * 8) / run.bits;
  let at = start;
  for (let first = 0; first < total; first += groupUnits) {
    const count = Math.min(groupUnits, total - first);
    let all = 0;
    for (let i = 0; i < count; i++) {
      const difference = readUnit(to, run, first + i) - readUnit(from, run, first + i);
      units[i] = zigzag(difference, run.bits);
      all |= units[i]!;
    }
    const width = 32 - Math.clz32(all);
    out[at++] = width;
    let [bits, filled] = [0, 0];
    for (let i = 0; i < count && width > 0; i++) {
      // At most 16 bits at a time, so that they fit beside up to 7 that wait.
      for (let [rest, left] = [units[i]!, width]; left > 0; rest >>>= 16, left -= 16) {
        bits |= (rest & 0xffff) << filled;
        filled += Math.min(left, 16);
        for (; filled >= 8; filled -= 8, bits >>>= 8) out[at++] = bits;
      }
    }
    if (filled > 0) out[at++] = bits;
  }
  return at;
}

interface Unpacking {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  readonly delta: Uint8Array;
  readonly at: number;
}

/** Returns where the next run begins. */
function unpackRun(run: Run, { from, to, delta, at: start }: Unpacking): number {
  const total = ((run.to - run.from) * 8) / run.bits;
  let at = start;
  for (let first = 0; first < total; first += groupUnits) {
    const count = Math.min(groupUnits, total - first);
    const width = delta[at++] ?? Infinity;
    if (width > run.bits || at + Math.ceil((count * width) / 8) > delta.length) {
      throw cutShort(at - 1);
    }
    let [bits, filled] = [0, 0];
    for (let i = 0; i < count; i++) {
      let unit = 0;
      for (let got = 0; got < width; got += 16) {
        const wanted = Math.min(width - got, 16);
        for (; filled < wanted; filled += 8) bits |= delta[at++]! << filled;
        unit |= (bits & ((1 << wanted) - 1)) << got;
        bits >>>= wanted;
        filled -= wanted;
      }
      writeUnit(to, run, first + i, readUnit(from, run, first + i) + unzigzag(unit));
    }
  }
  return at;
}

const cutShort = (at: number): DeltaError =>
  new DeltaError(`a delta's group at byte ${at} is cut short, or wider than its codes`);

/** The signed difference modulo 2^bits, its sign as the lowest bit. */
function zigzag(difference: number, bits: UnitBits): number {
  const signed = (difference << (32 - bits)) >> (32 - bits);
  return ((signed << 1) ^ (signed >> 31)) >>> 0;
}

const unzigzag = (unit: number): number => (unit >>> 1) ^ -(unit & 1);

function readUnit(bytes: Uint8Array, { from, bits, isFloat }: Run, index: number): number {
  let unit: number;
  if (bits === 4) return (bytes[from + (index >> 1)]! >> (4 * (index & 1))) & 15;
  if (bits === 8) return bytes[from + index]!;
  if (bits === 16) {
    unit = bytes[from + 2 * index]! | (bytes[from + 2 * index + 1]! << 8);
    return isFloat && unit & 0x8000 ? unit ^ 0x7fff : unit;
  }
  const at = from + 4 * index;
  unit = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
  return unit < 0 ? unit ^ 0x7fffffff : unit;
}

/** Only the unit's lowest bits count. */
function writeUnit(bytes: Uint8Array, { from, bits, isFloat }: Run, index: number, value: number): void {
  if (bits === 4) {
    const at = from + (index >> 1);
    bytes[at] = index & 1 ? (bytes[at]! & 15) | (value << 4) : value & 15;
    return;
  }
  if (bits === 8) {
    bytes[from + index] = value;
    return;
  }
  const at = from + (bits / 8) * index;
  const isNegative = (value << (32 - bits)) >> 31;
  const word = isFloat && isNegative ? value ^ (bits === 16 ? 0x7fff : 0x7fffffff) : value;
  for (let byte = 0; byte < bits / 8; byte++) bytes[at + byte] = word >> (8 * byte);
}
