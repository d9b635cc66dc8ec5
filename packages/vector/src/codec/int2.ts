/**
 * The int2 codec: every value becomes -1.5, -0.5, 0.5 or 1.5 times its group's scale. The scale is fitted by least squares once
 * the codes are chosen, so decoding never gives something farther from the values than zeros: what error feedback needs.
 */
import { type BlockCodec, checkEncodedLength, notFinite } from "./blockCodec.ts";
import { putScale, readScale } from "./scale.ts";

/** Values that share a scale. */
export const int2Group = 128;

export const int2: BlockCodec = {
  name: "int2",
  encodedBytes: (elements) => 2 * Math.ceil(elements / int2Group) + Math.ceil(elements / 4),
  encode(values, out) {
    checkEncodedLength(int2, out, values.length);
    const groups = Math.ceil(values.length / int2Group);
    for (let group = 0; group < groups; group++) {
      const start = group * int2Group;
      const run = values.subarray(start, start + int2Group);
      encodeGroup(run, out, { group, at: 2 * groups + start / 4 });
    }
  },
  decode(bytes, out) {
    checkEncodedLength(int2, bytes, out.length);
    const groups = Math.ceil(out.length / int2Group);
    for (let group = 0; group < groups; group++) {
      const scale = readScale("int2", bytes, { group, largest: 1.5 });
      const start = group * int2Group;
      const length = Math.min(int2Group, out.length - start);
      const quarter = (length + 3) >> 2;
      const at = 2 * groups + start / 4;
      for (let i = 0; i < length; i++) {
        const code = (bytes[at + (i % quarter)]! >> (2 * Math.floor(i / quarter))) & 3;
        // Zeros have no sign here: a group of them decodes to 0 for every code.
        out[start + i] = (code - 1.5) * scale + 0;
      }
    }
  },
};

function encodeGroup(values: Float32Array, out: Uint8Array, { group, at }: { group: number; at: number }): void {
  const threshold = rootMeanSquare(values) * slightlyMore;
  if (!(threshold < Infinity)) throw notFinite("int2");
  // Byte j holds values j, j + quarter, j + 2 quarters and j + 3 quarters of the group.
  const quarter = (values.length + 3) >> 2;
  out.fill(0, at, at + quarter);
  let products = 0;
  let squares = 0;
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i]!);
    const outer = magnitude > threshold;
    products += outer ? 1.5 * magnitude : 0.5 * magnitude;
    squares += outer ? 2.25 : 0.25;
    const code = values[i]! < 0 ? (outer ? 0 : 1) : outer ? 3 : 2;
    out[at + (i % quarter)]! |= code << (2 * Math.floor(i / quarter));
  }
  putScale(out, group, { wanted: products / squares, largest: 1.5 });
}

/** Where all magnitudes of a group are equal, no rounding may put some of them past the threshold. */
const slightlyMore = 1 + 2 ** -20;

function rootMeanSquare(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!;
  return Math.sqrt(sum / values.length);
}
