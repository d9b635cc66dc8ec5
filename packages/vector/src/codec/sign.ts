/** The sign codec (scaled signSGD, Karimireddy et al. 2019): the signs of a group and its mean magnitude. */
import { kernelsFor, type SimdFor } from "../kernels/kernels.ts";
import type { BlockCodec } from "./blockCodec.ts";
import { groupCodec, type GroupPlace } from "./groupCodec.ts";
import { signGroup } from "./groupShape.ts";
import { isNegative, lanes, sumOfLanes } from "./laneSums.ts";
import { putScale } from "./scale.ts";

export const sign = signWith(kernelsFor);

/** @param simd gives the kernels for whole groups, where there are any; the rest is plain loops, which define the bits */
export function signWith(simd: SimdFor): BlockCodec {
  return groupCodec(
    {
      ...{ name: "sign", group: signGroup, codesPerByte: 8, largestCode: 1 },
      kernels: ["signs", "signsOwing", "fromSigns"],
      put: encodeGroup,
      read: decodeGroup,
    },
    simd,
  );
}

function encodeGroup(values: Float32Array, out: Uint8Array, { group, at, down }: GroupPlace): void {
  const sums = new Float32Array(lanes);
  out.fill(0, at, at + Math.ceil(values.length / 8));
  for (let i = 0; i < values.length; i++) {
    sums[i % lanes]! += Math.fround(Math.abs(values[i]!) * down);
    if (isNegative(values[i]!)) out[at + (i >> 3)]! |= 1 << (i & 7);
  }
  const mean = Math.fround(sumOfLanes(sums) / values.length);
  putScale(out, group, { wanted: Math.fround(mean * Math.fround(1 / down)), largest: 1 });
}

function decodeGroup(bytes: Uint8Array, out: Float32Array, { scale, at }: { scale: number; at: number }): void {
  for (let i = 0; i < out.length; i++) out[i] = (bytes[at + (i >> 3)]! >> (i & 7)) & 1 ? 0 - scale : scale;
}
