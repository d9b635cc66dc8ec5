/**
 * The int8 and int4 codecs: groups of values as whole multiples of a scale, the largest of them at the end of the range. A
 * run is its groups' scales in bf16, then the codes. The error of a value is at most half its group's scale.
 */
import { codesAt, type Kernels, kernels, scalesAt, valuesAt } from "../kernels/kernels.ts";
import { type BlockCodec, checkEncodedLength, checkRun, notFinite } from "./blockCodec.ts";
import { type GroupShape, int4Shape, int8Shape } from "./groupShape.ts";
import { largestMagnitude } from "./laneSums.ts";
import { putScale, readScale } from "./scale.ts";

/** @param simd gives the kernels for whole groups, where there are any; the rest is plain loops, which define the bits */
export function integerCodec(name: "int8" | "int4", shape: GroupShape, simd: () => Kernels | undefined): BlockCodec {
  const { group, levels } = shape;
  const perByte = levels === 127 ? 1 : 2;
  const format = name === "int8" ? wholeBytes : nibbles;
  const codec: BlockCodec = {
    name,
    encodedBytes: (elements) => 2 * Math.ceil(elements / group) + Math.ceil(elements / perByte),

    encode(values, out) {
      checkEncodedLength(codec, out, values.length);
      checkRun(name, values.length);
      const groups = Math.ceil(values.length / group);
      const codes = out.subarray(2 * groups);
      for (let index = quantiseWhole(name, shape, { values, out, kernels: simd() }); index < groups; index++) {
        const run = values.subarray(index * group, (index + 1) * group);
        const largest = largestMagnitude(run);
        if (!(largest < Infinity)) throw notFinite(name);
        const scale = putScale(out, index, { wanted: Math.fround(largest / levels), largest: levels + 1 });
        const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
        format.put(run, codes.subarray((index * group) / perByte), { inverse, levels });
      }
    },

    decode(bytes, out) {
      checkEncodedLength(codec, bytes, out.length);
      checkRun(name, out.length);
      const groups = Math.ceil(out.length / group);
      const codes = bytes.subarray(2 * groups);
      // Codes go from -levels to levels, but hostile ones one further down.
      for (let index = 0; index < groups; index++) readScale(name, bytes, { group: index, largest: levels + 1 });
      for (let index = dequantiseWhole(name, shape, { bytes, out, kernels: simd() }); index < groups; index++) {
        const scale = readScale(name, bytes, { group: index, largest: levels + 1 });
        format.read(codes.subarray((index * group) / perByte), out.subarray(index * group, (index + 1) * group), scale);
      }
    },
  };
  return codec;
}

/** Codes of larger magnitudes may not have a finite value; the plain loops see to those. */
const largestSimdBits = 0x7effffff;

/** Returns how many groups are done. */
function quantiseWhole(
  name: "int8" | "int4",
  { group }: GroupShape,
  { values, out, kernels: simd }: { values: Float32Array; out: Uint8Array; kernels: Kernels | undefined },
): number {
  const whole = Math.floor(values.length / group);
  if (simd === undefined || whole === 0) return 0;
  simd.values.set(whole * group === values.length ? values : values.subarray(0, whole * group));
  const quantise = name === "int8" ? simd.quantise8 : simd.quantise4;
  if (quantise(valuesAt, scalesAt, codesAt, whole) > largestSimdBits) return 0;
  out.set(simd.bytes.subarray(scalesAt, scalesAt + 2 * whole));
  const codeBytes = name === "int8" ? whole * group : (whole * group) / 2;
  out.set(simd.bytes.subarray(codesAt, codesAt + codeBytes), 2 * Math.ceil(values.length / group));
  return whole;
}

/** Returns how many groups are done; their scales are in order. */
function dequantiseWhole(
  name: "int8" | "int4",
  { group }: GroupShape,
  { bytes, out, kernels: simd }: { bytes: Uint8Array; out: Float32Array; kernels: Kernels | undefined },
): number {
  const whole = Math.floor(out.length / group);
  if (simd === undefined || whole === 0) return 0;
  simd.bytes.set(bytes.subarray(0, 2 * whole), scalesAt);
  const from = 2 * Math.ceil(out.length / group);
  const codeBytes = name === "int8" ? whole * group : (whole * group) / 2;
  simd.bytes.set(bytes.subarray(from, from + codeBytes), codesAt);
  const dequantise = name === "int8" ? simd.dequantise8 : simd.dequantise4;
  dequantise(valuesAt, scalesAt, codesAt, whole);
  out.set(simd.values.subarray(0, whole * group));
  return whole;
}

interface Rounding {
  /** Reciprocal of the scale, or 0 for a group of zeros. */
  readonly inverse: number;
  readonly levels: number;
}

const wholeBytes = {
  put(values: Float32Array, codes: Uint8Array, rounding: Rounding): void {
    for (let i = 0; i < values.length; i++) codes[i] = codeOf(values[i]!, rounding);
  },
  read(codes: Uint8Array, out: Float32Array, scale: number): void {
    for (let i = 0; i < out.length; i++) out[i] = ((codes[i]! << 24) >> 24) * scale;
  },
};

/** Byte j holds values j and j + half of the group, as codes from 0 to 15. */
const nibbles = {
  put(values: Float32Array, codes: Uint8Array, rounding: Rounding): void {
    const half = (values.length + 1) >> 1;
    for (let j = 0; j < half; j++) {
      const high = half + j < values.length ? codeOf(values[half + j]!, rounding) : 0;
      codes[j] = (codeOf(values[j]!, rounding) + 8) | ((high + 8) << 4);
    }
  },
  read(codes: Uint8Array, out: Float32Array, scale: number): void {
    const half = (out.length + 1) >> 1;
    for (let j = 0; j < half; j++) {
      out[j] = ((codes[j]! & 15) - 8) * scale;
      if (half + j < out.length) out[half + j] = ((codes[j]! >> 4) - 8) * scale;
    }
  },
};

/** 1.5 · 2^23: adding it to an f32 below 2^22, and taking it off again, rounds to the nearest integer, ties to even. */
const rounder = 12582912;

function codeOf(value: number, { inverse, levels }: Rounding): number {
  const scaled = Math.fround(Math.fround(value * inverse) + rounder) - rounder;
  return scaled > levels ? levels : scaled < -levels ? -levels : scaled;
}

export const int8 = integerCodec("int8", int8Shape, kernels);
export const int4 = integerCodec("int4", int4Shape, kernels);
