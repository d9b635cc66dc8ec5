/**
 * Codecs of groups of values that share a scale, where what is lost is kept: a run is its groups' scales in bf16, then their
 * codes. Whole groups go through SIMD kernels where there are any; the plain loops define the bits.
 */
import { nowhere } from "../kernels/groups.ts";
import { addressIn, codesAt, type Kernels, scalesAt, type SimdFor, valuesAt } from "../kernels/kernels.ts";
import { type BlockCodec, checkEncodedLength, checkRun, notFinite, type Owed, sumWithOwed } from "./blockCodec.ts";
import { floatOf, isModerate, isModerateSum, largestMagnitude, powerBelow } from "./laneSums.ts";
import { addressOfOwed } from "./loadRun.ts";
import { readScale } from "./scale.ts";

export interface GroupFormat {
  readonly name: string;
  /** Values that share a scale; their codes take whole bytes. */
  readonly group: number;
  readonly codesPerByte: 4 | 8;
  /** Its product with the scale must be finite. */
  readonly largestCode: number;
  /** Of values, of values and what is owed, and for decoding. */
  readonly kernels:
    readonly ["quantise2", "quantise2Owing", "dequantise2"] | readonly ["signs", "signsOwing", "fromSigns"];
  /** Encodes a group, the last one perhaps shorter, whose codes begin at byte `at`. */
  put(values: Float32Array, out: Uint8Array, where: GroupPlace): void;
  /** Decodes the codes that begin at byte `at`. */
  read(bytes: Uint8Array, out: Float32Array, where: { readonly scale: number; readonly at: number }): void;
}

export interface GroupPlace {
  readonly group: number;
  readonly at: number;
  /** As `powerBelow` gives it for the run. */
  readonly down: number;
}

export function groupCodec(format: GroupFormat, simd: SimdFor): BlockCodec {
  const { name, group, codesPerByte, largestCode } = format;
  const [, , dequantise] = format.kernels;
  const groupsOf = (elements: number): number => Math.ceil(elements / group);
  const codesFrom = (elements: number, index: number): number =>
    2 * groupsOf(elements) + (index * group) / codesPerByte;

  /** Encodes a run, with what was owed before if that is kept. Returns how many values the kernels have done. */
  const encode = (values: Float32Array, out: Uint8Array, owed?: Owed): number => {
    checkRun(name, values.length);
    const kernels = simd(owed?.after ?? values);
    const { largest, done } =
      (kernels && quantiseWhole(format, kernels, { values, owed })) ?? settledPlainly(values, owed);
    if (!(largest < Infinity)) throw notFinite(name);
    if (kernels !== undefined && done > 0) {
      out.set(kernels.bytes.subarray(scalesAt, scalesAt + (2 * done) / group));
      out.set(kernels.bytes.subarray(codesAt, codesAt + done / codesPerByte), codesFrom(values.length, 0));
    }
    const given = owed?.after ?? values;
    for (let start = done; start < given.length; start += group) {
      const index = start / group;
      format.put(given.subarray(start, start + group), out, {
        group: index,
        at: codesFrom(given.length, index),
        down: powerBelow(largest),
      });
    }
    return done;
  };

  const read = (index: number, elements: number, { bytes, out }: { bytes: Uint8Array; out: Float32Array }): void => {
    const scale = readScale(name, bytes, { group: index, largest: largestCode });
    format.read(bytes, out, { scale, at: codesFrom(elements, index) });
  };

  const codec: BlockCodec = {
    name,
    encodedBytes: (elements) => 2 * groupsOf(elements) + Math.ceil(elements / codesPerByte),

    encode(values, out) {
      checkEncodedLength(codec, out, values.length);
      encode(values, out);
    },

    encodeOwing(values, owed, out) {
      checkEncodedLength(codec, out, values.length);
      for (let start = encode(values, out, owed); start < values.length; start += group) {
        const lost = owed.after.subarray(start, start + group);
        const decoded = new Float32Array(lost.length);
        read(start / group, values.length, { bytes: out, out: decoded });
        for (let i = 0; i < lost.length; i++) lost[i]! -= decoded[i]!;
      }
    },

    decode(bytes, out) {
      checkEncodedLength(codec, bytes, out.length);
      checkRun(name, out.length);
      for (let index = 0; index < groupsOf(out.length); index++) {
        readScale(name, bytes, { group: index, largest: largestCode });
      }
      for (let start = dequantiseWhole(bytes, out); start < out.length; start += group) {
        read(start / group, out.length, { bytes, out: out.subarray(start, start + group) });
      }
    },
  };
  return codec;

  /** Decodes the whole groups, whose scales are in order, with the kernels. Returns how many values are done. */
  function dequantiseWhole(bytes: Uint8Array, out: Float32Array): number {
    const kernels = simd(out);
    const whole = Math.floor(out.length / group);
    const elements = whole * group;
    if (kernels === undefined || whole === 0) return 0;
    const from = codesFrom(out.length, 0);
    kernels.bytes.set(bytes.subarray(0, 2 * whole), scalesAt);
    kernels.bytes.set(bytes.subarray(from, from + elements / codesPerByte), codesAt);
    kernels[dequantise](valuesAt, scalesAt, codesAt, whole);
    out.set(kernels.values.subarray(0, elements));
    return elements;
  }
}

interface Run {
  readonly values: Float32Array;
  readonly owed: Owed | undefined;
}

interface Quantised {
  /** The largest magnitude of the run, or another that is as moderate. */
  readonly largest: number;
  /** Values that the kernels have done. */
  readonly done: number;
}

function settledPlainly(values: Float32Array, owed: Owed | undefined): Quantised {
  if (owed !== undefined) sumWithOwed(values, owed, 0);
  return { largest: largestMagnitude(owed?.after ?? values), done: 0 };
}

/**
 * Brings whole groups through the kernels and what is left of all values to `owed.after`; scales and codes stay in their memory.
 * Undefined if that was of no use.
 */
function quantiseWhole(
  { group, kernels: names }: GroupFormat,
  kernels: Kernels,
  { values, owed }: Run,
): Quantised | undefined {
  const whole = Math.floor(values.length / group);
  const done = whole * group;
  kernels.values.set(values.subarray(0, done));
  const kernel = kernels[owed?.before === undefined ? names[0] : names[1]];
  const before = addressOfOwed(kernels, owed?.before, done);
  const after = owed === undefined ? nowhere : (addressIn(kernels, owed.after) ?? valuesAt);
  const sum = floatOf(kernel(valuesAt, before, after, scalesAt, codesAt, whole));
  if (!isModerateSum(sum)) return undefined;
  if (owed !== undefined) {
    if (after === valuesAt) owed.after.set(kernels.values.subarray(0, done));
    sumWithOwed(values, owed, done);
  }
  const largest = Math.max(Math.min(sum, 1), largestMagnitude((owed?.after ?? values).subarray(done)));
  return isModerate(largest) ? { largest, done } : undefined;
}
