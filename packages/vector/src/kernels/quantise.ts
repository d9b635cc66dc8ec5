/**
 * SIMD kernels of the int8 and int4 codecs, for whole groups. They give the bytes and values of the plain loops in
 * `codec/integers.ts`, bit for bit.
 */
import type { FunctionBuilder, ModuleBuilder, V128 } from "@weft/emitter";
import { f32, f32x4, i16x8, i32, i32x4, i8x16, select, v128 } from "@weft/emitter";
import type { GroupShape } from "../codec/groupShape.ts";
import { type I32Expression, largestLane, magnitudeMask, quads, scaleBits, zeros } from "./groups.ts";

/** 1.5 · 2^23: adding it rounds an f32 below 2^22 to an integer, half to even, which is then the difference of the bits. */
const rounder = 12582912;
const rounderBits = 0x4b400000;

/**
 * name(values, scales, codes, groups) → the bits of the largest magnitude. From 2^127 on, infinities and NaN included, what
 * was written is of no use.
 */
export function addQuantise(module: ModuleBuilder, name: string, { group, levels }: GroupShape): void {
  module.function(
    ["i32", "i32", "i32", "i32"],
    (f, [values, scales, codes, groups]) => {
      const largest = f.local("i32");
      f.for({ from: 0, to: groups }, (index) => {
        const magnitude = f.local("i32", groupMagnitude(f, values, group));
        f.set(largest, select(i32.gtS(magnitude, largest), magnitude, largest));
        const scale = f.local("i32", scaleBits(f, f32.div(f32.reinterpretI32(magnitude), levels)));
        f.storeI16(i32.add(scales, i32.shl(index, 1)), scale);
        const reciprocal = f32.div(1, f32.reinterpretI32(i32.shl(scale, 16)));
        const inverse = f.local("v128", f32x4.splat(select(scale, reciprocal, f32.of(0))));
        if (levels === 127) putBytes(f, { values, codes, inverse, group });
        else putNibbles(f, { values, codes, inverse, group });
        f.increment(values, 4 * group);
        f.increment(codes, levels === 127 ? group : group / 2);
      });
      f.return(largest);
    },
    { export: name, result: "i32" },
  );
}

/** The bits of the group's largest magnitude; as integers, NaN is larger than infinity. */
function groupMagnitude(f: FunctionBuilder, values: I32Expression, group: number): I32Expression {
  const mask = magnitudeMask(f);
  const magnitudes = zeros(f);
  f.for({ from: 0, to: 4 * group, step: 64 }, (at) => {
    const address = f.local("i32", i32.add(values, at));
    for (const [q, offset] of quads.entries()) {
      f.set(magnitudes[q]!, i32x4.maxS(magnitudes[q]!, v128.and(v128.load(address, offset), mask)));
    }
  });
  return largestLane(f, magnitudes);
}

interface Coding {
  readonly values: I32Expression;
  readonly codes: I32Expression;
  /** Of the scale, in every lane. */
  readonly inverse: V128;
  readonly group: number;
}

function putBytes(f: FunctionBuilder, { values, codes, inverse, group }: Coding): void {
  f.for({ from: 0, to: group, step: 16 }, (at) => {
    const address = f.local("i32", i32.add(values, i32.shl(at, 2)));
    f.storeV128(i32.add(codes, at), sixteenCodes(f, address, { inverse, zero: 0 }));
  });
}

/** Byte j holds values j and j + half of the group, as codes from 1 to 15. */
function putNibbles(f: FunctionBuilder, { values, codes, inverse, group }: Coding): void {
  for (let at = 0; at < group / 2; at += 16) {
    const low = sixteenCodes(f, i32.add(values, 4 * at), { inverse, zero: 8 });
    const high = sixteenCodes(f, i32.add(values, 4 * (at + group / 2)), { inverse, zero: 8 });
    f.storeV128(codes, v128.or(low, i16x8.shl(high, 4)), at);
  }
}

/** @param zero the code of zero */
function sixteenCodes(
  f: FunctionBuilder,
  address: I32Expression,
  { inverse, zero }: { inverse: V128; zero: number },
): V128 {
  const rounding = f.initialLocal("v128", f32x4.splat(rounder));
  const offsets = f.initialLocal("v128", i32x4.splat(rounderBits - zero));
  const [a, b, c, d] = quads.map((offset) => {
    const rounded = f32x4.add(f32x4.mul(v128.load(address, offset), inverse), rounding);
    return i32x4.sub(rounded, offsets);
  }) as [V128, V128, V128, V128];
  return i8x16.narrowI16x8S(i16x8.narrowI32x4S(a, b), i16x8.narrowI32x4S(c, d));
}

/** name(values, scales, codes, groups): decodes whole groups, whose scales are in order. */
export function addDequantise(module: ModuleBuilder, name: string, { group, levels }: GroupShape): void {
  module.function(
    ["i32", "i32", "i32", "i32"],
    (f, [values, scales, codes, groups]) => {
      f.for({ from: 0, to: groups }, (index) => {
        const bits = i32.shl(i32.load16U(i32.add(scales, i32.shl(index, 1))), 16);
        const scale = f.local("v128", f32x4.splat(f32.reinterpretI32(bits)));
        if (levels === 127) {
          f.for({ from: 0, to: group, step: 16 }, (at) => {
            const bytes = f.local("v128", v128.load(i32.add(codes, at)));
            storeSixteen(f, i32.add(values, i32.shl(at, 2)), { codes: bytes, scale });
          });
        } else readNibbles(f, { values, codes, scale, group });
        f.increment(values, 4 * group);
        f.increment(codes, levels === 127 ? group : group / 2);
      });
    },
    { export: name },
  );
}

function readNibbles(
  f: FunctionBuilder,
  { values, codes, scale, group }: { values: I32Expression; codes: I32Expression; scale: V128; group: number },
): void {
  const nibble = f.initialLocal("v128", i8x16.splat(15));
  const eight = f.initialLocal("v128", i8x16.splat(8));
  for (let at = 0; at < group / 2; at += 16) {
    const bytes = f.local("v128", v128.load(codes, at));
    const low = f.local("v128", i8x16.sub(v128.and(bytes, nibble), eight));
    const high = f.local("v128", i8x16.sub(v128.and(i16x8.shrU(bytes, 4), nibble), eight));
    storeSixteen(f, i32.add(values, 4 * at), { codes: low, scale });
    storeSixteen(f, i32.add(values, 4 * (at + group / 2)), { codes: high, scale });
  }
}

/** Sixteen signed codes times the scale. */
function storeSixteen(
  f: FunctionBuilder,
  address: I32Expression,
  { codes, scale }: { codes: V128; scale: V128 },
): void {
  const to = f.local("i32", address);
  for (const [half, widened] of [i16x8.extendLowI8x16S(codes), i16x8.extendHighI8x16S(codes)].entries()) {
    const eight = f.local("v128", widened);
    for (const [part, four] of [i16x8.lowToI32x4S(eight), i16x8.highToI32x4S(eight)].entries()) {
      f.storeV128(to, f32x4.mul(f32x4.convertI32x4S(four), scale), 32 * half + 16 * part);
    }
  }
}
