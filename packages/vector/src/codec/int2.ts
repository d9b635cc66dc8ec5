/**
 * The int2 codec: every value becomes -1.5, -0.5, 0.5 or 1.5 times its group's scale. The scale is fitted by least squares once
 * the codes are chosen, so decoding never gives something farther from the values than zeros: what error feedback needs.
 */
import { kernelsFor, type SimdFor } from "../kernels/kernels.ts";
import type { BlockCodec } from "./blockCodec.ts";
import { groupCodec, type GroupPlace } from "./groupCodec.ts";
import { int2Group, slightlyMore } from "./groupShape.ts";
import { isNegative, lanes, sumOfLanes } from "./laneSums.ts";
import { putScale } from "./scale.ts";

export const int2 = int2With(kernelsFor);

/** @param simd gives the kernels for whole groups, where there are any; the rest is plain loops, which define the bits */
export function int2With(simd: SimdFor): BlockCodec {
  return groupCodec(
    {
      ...{ name: "int2", group: int2Group, codesPerByte: 4, largestCode: 1.5 },
      kernels: ["quantise2", "quantise2Owing", "dequantise2"],
      put: encodeGroup,
      read: decodeGroup,
    },
    simd,
  );
}

function encodeGroup(values: Float32Array, out: Uint8Array, { group, at, down }: GroupPlace): void {
  const up = Math.fround(1 / down);
  const { threshold, all } = thresholdOf(values, { down, up });
  // Byte j holds values j, j + quarter, j + 2 quarters and j + 3 quarters of the group.
  const quarter = (values.length + 3) >> 2;
  out.fill(0, at, at + quarter);
  const outerSums = new Float32Array(lanes);
  let outers = 0;
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i]!);
    const outer = magnitude > threshold;
    if (outer) {
      outers += 1;
      outerSums[i % lanes]! += Math.fround(magnitude * down);
    }
    const code = isNegative(values[i]!) ? (outer ? 0 : 1) : outer ? 3 : 2;
    out[at + (i % quarter)]! |= code << (2 * Math.floor(i / quarter));
  }
  // Of magnitudes that count 1.5 or 0.5, over the squares of those.
  const products = Math.fround(sumOfLanes(outerSums) + Math.fround(all * 0.5));
  const fitted = Math.fround(products / (values.length / 4 + 2 * outers));
  putScale(out, group, { wanted: Math.fround(fitted * up), largest: 1.5 });
}

/** The root mean square, and the sum of magnitudes times `down`. */
function thresholdOf(
  values: Float32Array,
  { down, up }: { down: number; up: number },
): { readonly threshold: number; readonly all: number } {
  const [sums, squares] = [new Float32Array(lanes), new Float32Array(lanes)];
  for (let i = 0; i < values.length; i++) {
    const y = Math.fround(Math.abs(values[i]!) * down);
    sums[i % lanes]! += y;
    squares[i % lanes]! += Math.fround(y * y);
  }
  const root = Math.fround(Math.sqrt(Math.fround(sumOfLanes(squares) / values.length)));
  return { threshold: Math.fround(Math.fround(root * slightlyMore) * up), all: sumOfLanes(sums) };
}

function decodeGroup(bytes: Uint8Array, out: Float32Array, { scale, at }: { scale: number; at: number }): void {
  const quarter = (out.length + 3) >> 2;
  for (let i = 0; i < out.length; i++) {
    const code = (bytes[at + (i % quarter)]! >> (2 * Math.floor(i / quarter))) & 3;
    // Zeros have no sign here: a group of them decodes to 0 for every code.
    out[i] = (code - 1.5) * scale + 0;
  }
}
