/** SIMD kernels of the int2 codec, for whole groups: the bytes and values of the plain loops in `codec/int2.ts`, bit for bit. */
import type { Expression, FunctionBuilder, Local, ModuleBuilder, V128 } from "@weft/emitter";
import { f32, f32x4, i16x8, i32, i32x4, i8x16, v128 } from "@weft/emitter";
import { int2Group as group, slightlyMore } from "../codec/groupShape.ts";
import {
  type I32Expression,
  largestLane,
  magnitudeMask,
  quads,
  scaleAt,
  scaleBits,
  settled,
  signsOf,
  sixteen,
  sumOfLanes,
  zeros,
} from "./groups.ts";

const quarter = group / 4;

/** Of each group: the threshold between its inner and outer levels, and the sum of its magnitudes. */
export const statisticsBytes = 8;

/**
 * name(values, owed, scales, codes, groups, keep) → the bits of the largest magnitude; only if it is 0 or `isModerate` is what
 * was written of use. With `keep`, what is lost takes the place of the values. One step for all groups, then the next: within a
 * step they do not wait for one another.
 */
export function addQuantise2(
  module: ModuleBuilder,
  name: string,
  { statistics, owing }: { readonly statistics: number; readonly owing: boolean },
): void {
  module.function(
    ["i32", "i32", "i32", "i32", "i32", "i32"],
    (f, [values, owed, scales, codes, groups, keep]) => {
      const mask = magnitudeMask(f);
      const largest = quads.map(() => f.local("v128"));
      const each = (step: (of: Place) => void): void => {
        f.for({ from: 0, to: groups }, (index) => {
          const first = f.local("i32", i32.mul(index, 4 * group));
          const own = f.local("i32", i32.add(statistics, i32.mul(index, statisticsBytes)));
          step({ index, first, own, scale: f.local("i32", i32.add(scales, i32.shl(index, 1))) });
        });
      };
      each(({ first, own }) => {
        const [sums, squares] = [zeros(f), zeros(f)];
        f.for({ from: 0, to: 4 * group, step: 64 }, (at) => {
          const given = { values, owed: owing ? owed : undefined, mask };
          const { magnitudes } = settled(f, given, { at: f.local("i32", i32.add(first, at)), largest });
          for (const [q, y] of magnitudes.entries()) {
            f.set(sums[q]!, f32x4.add(sums[q]!, y));
            f.set(squares[q]!, f32x4.add(squares[q]!, f32x4.mul(y, y)));
          }
        });
        f.storeF32(own, f32.mul(f32.sqrt(f32.mul(sumOfLanes(f, squares), 1 / group)), slightlyMore));
        f.storeF32(own, sumOfLanes(f, sums), 4);
      });
      each(({ index, first, own, scale }) => {
        const to = f.local("i32", i32.add(codes, i32.mul(index, quarter)));
        const from = f.local("i32", i32.add(values, first));
        const outer = encode(f, { values: from, codes: to, threshold: f.local("v128", v128.load32Splat(own)) });
        const products = f32.add(outer.sum, f32.mul(f32.load(own, 4), 0.5));
        const weights = f32.convertI32S(i32.add(group / 4, i32.shl(outer.count, 1)));
        f.storeI16(scale, scaleBits(f, f32.div(products, weights)));
      });
      f.if(keep, () => each((place) => takeOff(f, values, place)));
      f.return(largestLane(f, largest));
    },
    { export: name, result: "i32" },
  );
}

/** Of a group. */
interface Place {
  readonly index: I32Expression;
  /** Byte offset of its values. */
  readonly first: I32Expression;
  /** Addresses of its statistics and of its scale. */
  readonly own: I32Expression;
  readonly scale: I32Expression;
}

/** Leaves what the codes lose of a group's values. */
function takeOff(f: FunctionBuilder, values: I32Expression, { first, own, scale }: Place): void {
  const mask = magnitudeMask(f);
  const [threshold, flip] = [f.local("v128", v128.load32Splat(own)), signsOf(f, scale)];
  const inner = f.local("v128", f32x4.splat(f32.mul(scaleAt(scale), 0.5)));
  const beyond = f.local("v128", f32x4.mul(inner, f32x4.splat(3)));
  f.for({ from: 0, to: 4 * group, step: 64 }, (at) => {
    const address = f.local("i32", i32.add(i32.add(values, first), at));
    for (const [q, x] of sixteen(f, address).entries()) {
      const level = v128.bitselect(beyond, inner, f32x4.gt(v128.and(x, mask), threshold));
      f.storeV128(address, f32x4.sub(x, v128.or(level, v128.and(x, flip))), quads[q]);
    }
  });
}

interface Encoding {
  readonly values: I32Expression;
  readonly codes: I32Expression;
  readonly threshold: V128;
}

/** Writes the codes; gives the number of values beyond the threshold and the sum of their magnitudes. */
function encode(
  f: FunctionBuilder,
  { values, codes, threshold }: Encoding,
): { count: Expression<"i32">; sum: Expression<"f32"> } {
  const mask = magnitudeMask(f);
  const two = f.initialLocal("v128", i32x4.splat(2));
  const three = f.initialLocal("v128", i8x16.splat(3));
  const sums = zeros(f);
  const count = f.local("v128");
  f.set(count, i32x4.splat(0));
  f.for({ from: 0, to: quarter, step: 16 }, (at) => {
    const quarters = [0, 1, 2, 3].map((part) => {
      const address = f.local("i32", i32.add(values, i32.add(i32.shl(at, 2), 4 * part * quarter)));
      const four = sixteen(f, address).map((x, q) => {
        const magnitude = f.local("v128", v128.and(x, mask));
        const outer = f.local("v128", f32x4.gt(magnitude, threshold));
        f.set(sums[q]!, f32x4.add(sums[q]!, v128.and(magnitude, outer)));
        f.set(count, i32x4.sub(count, outer));
        // 2 or 3, of negative values its complement, of which the lowest two bits are the code.
        return f.local("v128", v128.xor(i32x4.sub(two, outer), i32x4.shrS(x, 31)));
      });
      return f.local("v128", v128.and(narrow(four), three));
    });
    const shifted = quarters.map((code, part) => (part === 0 ? code : i16x8.shl(code, 2 * part)));
    const [a, b, c, d] = shifted;
    f.storeV128(i32.add(codes, at), v128.or(v128.or(a!, b!), v128.or(c!, d!)));
  });
  const halves = f.local("v128", i32x4.add(count, i32x4.shuffle(count, count, [2, 3, 0, 1])));
  const sum = f.local("f32", sumOfLanes(f, sums));
  return { count: i32.add(i32x4.extractLane(halves, 0), i32x4.extractLane(halves, 1)), sum };
}

const narrow = ([a, b, c, d]: readonly V128[]): V128 =>
  i8x16.narrowI16x8S(i16x8.narrowI32x4S(a!, b!), i16x8.narrowI32x4S(c!, d!));

/** name(values, scales, codes, groups): decodes whole groups, whose scales are in order. */
export function addDequantise2(module: ModuleBuilder, name: string): void {
  module.function(
    ["i32", "i32", "i32", "i32"],
    (f, [values, scales, codes, groups]) => {
      const three = f.local("v128", i8x16.splat(3));
      f.for({ from: 0, to: groups }, (index) => {
        const scale = f.local("v128", f32x4.splat(scaleAt(i32.add(scales, i32.shl(index, 1)))));
        f.for({ from: 0, to: quarter, step: 16 }, (at) => {
          const bytes = f.local("v128", v128.load(i32.add(codes, at)));
          for (let part = 0; part < 4; part++) {
            const own = f.local("v128", v128.and(part === 0 ? bytes : i16x8.shrU(bytes, 2 * part), three));
            const to = f.local("i32", i32.add(values, i32.add(i32.shl(at, 2), 4 * part * quarter)));
            storeLevels(f, to, { codes: own, scale });
          }
        });
        f.increment(values, 4 * group);
        f.increment(codes, quarter);
      });
    },
    { export: name },
  );
}

function storeLevels(f: FunctionBuilder, to: Local<"i32">, { codes, scale }: { codes: V128; scale: V128 }): void {
  const [offset, zero] = [1.5, 0].map((x) => f.initialLocal("v128", f32x4.splat(x)));
  for (const [half, widened] of [i16x8.extendLowI8x16U(codes), i16x8.extendHighI8x16S(codes)].entries()) {
    const eight = f.local("v128", widened);
    for (const [part, four] of [i32x4.extendLowI16x8U(eight), i32x4.extendHighI16x8U(eight)].entries()) {
      const level = f32x4.sub(f32x4.convertI32x4S(four), offset!);
      // Zeros have no sign here.
      f.storeV128(to, f32x4.add(f32x4.mul(level, scale), zero!), 32 * half + 16 * part);
    }
  }
}
