/**
 * The int8 and int4 codecs: groups of values as whole multiples of a scale, the largest of them at the end of the range. A
 * run is its groups' scales in bf16, then the codes. The error of a value is at most half its group's scale.
 */
import { type BlockCodec, checkEncodedLength, notFinite } from "./blockCodec.ts";
import { putScale, readScale } from "./scale.ts";

export interface GroupShape {
  /** Values that share a scale. */
  readonly group: number;
  /** Codes go from -levels to levels. */
  readonly levels: number;
}

export const int8Shape: GroupShape = { group: 256, levels: 127 };
export const int4Shape: GroupShape = { group: 64, levels: 7 };

export const int8: BlockCodec = {
  name: "int8",
  encodedBytes: (elements) => 2 * Math.ceil(elements / int8Shape.group) + elements,
  encode(values, out) {
    checkEncodedLength(int8, out, values.length);
    eachGroup(values.length, int8Shape.group, (group, start, end, codesAt) => {
      const inverse = putGroupScale("int8", out, { values: values.subarray(start, end), group, shape: int8Shape });
      const at = codesAt + start;
      for (let i = start; i < end; i++) out[at + i - start] = codeOf(values[i]!, inverse, 127);
    });
  },
  decode(bytes, out) {
    checkEncodedLength(int8, bytes, out.length);
    eachGroup(out.length, int8Shape.group, (group, start, end, codesAt) => {
      // A hostile code may be -128.
      const scale = readScale("int8", bytes, { group, largest: 128 });
      for (let i = start; i < end; i++) out[i] = ((bytes[codesAt + i]! << 24) >> 24) * scale;
    });
  },
};

export const int4: BlockCodec = {
  name: "int4",
  encodedBytes: (elements) => 2 * Math.ceil(elements / int4Shape.group) + Math.ceil(elements / 2),
  encode(values, out) {
    checkEncodedLength(int4, out, values.length);
    eachGroup(values.length, int4Shape.group, (group, start, end, codesAt) => {
      const inverse = putGroupScale("int4", out, { values: values.subarray(start, end), group, shape: int4Shape });
      // Byte j holds values j and j + half of the group.
      const half = (end - start + 1) >> 1;
      const at = codesAt + start / 2;
      for (let j = 0; j < half; j++) {
        const high = start + half + j < end ? codeOf(values[start + half + j]!, inverse, 7) : 0;
        out[at + j] = (codeOf(values[start + j]!, inverse, 7) + 8) | ((high + 8) << 4);
      }
    });
  },
  decode(bytes, out) {
    checkEncodedLength(int4, bytes, out.length);
    eachGroup(out.length, int4Shape.group, (group, start, end, codesAt) => {
      // A hostile code may be -8.
      const scale = readScale("int4", bytes, { group, largest: 8 });
      const half = (end - start + 1) >> 1;
      const at = codesAt + start / 2;
      for (let j = 0; j < half; j++) {
        const byte = bytes[at + j]!;
        out[start + j] = ((byte & 15) - 8) * scale;
        if (start + half + j < end) out[start + half + j] = ((byte >> 4) - 8) * scale;
      }
    });
  },
};

/** Calls with each group, its values [start, end), and where the run's codes begin. */
function eachGroup(
  elements: number,
  size: number,
  visit: (group: number, start: number, end: number, codesAt: number) => void,
): void {
  const groups = Math.ceil(elements / size);
  for (let group = 0; group < groups; group++) {
    visit(group, group * size, Math.min((group + 1) * size, elements), 2 * groups);
  }
}

/** Writes the scale of a group; the result is its reciprocal, or 0 for a group of zeros. */
function putGroupScale(
  name: string,
  out: Uint8Array,
  { values, group, shape }: { values: Float32Array; group: number; shape: GroupShape },
): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i]!);
    // Written so that NaN takes the place of what was there.
    if (!(magnitude <= largest)) largest = magnitude;
    if (largest !== largest) break;
  }
  if (!(largest < Infinity)) throw notFinite(name);
  const { levels } = shape;
  const scale = putScale(out, group, { wanted: Math.fround(largest / levels), largest: levels + 1 });
  return scale === 0 ? 0 : Math.fround(1 / scale);
}

/** 1.5 · 2^23: adding it to an f32 below 2^22, and taking it off again, rounds to the nearest integer, ties to even. */
const rounder = 12582912;

function codeOf(value: number, inverse: number, levels: number): number {
  const scaled = Math.fround(Math.fround(value * inverse) + rounder) - rounder;
  return scaled > levels ? levels : scaled < -levels ? -levels : scaled;
}
