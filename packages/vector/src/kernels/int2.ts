/** SIMD kernels of the int2 codec, for whole groups: the bytes and values of the plain loops in `codec/int2.ts`, bit for bit. */
import type { Expression, FunctionBuilder, Local, ModuleBuilder, V128 } from "@weft/emitter";
import { f32, f32x4, i16x8, i32, i32x4, i8x16, v128 } from "@weft/emitter";
import { int2Group as group, slightlyMore } from "../codec/groupShape.ts";
import {
  type Given,
  type I32Expression,
  isSomewhere,
  magnitudeMask,
  quads,
  raiseBits,
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

/** Groups that go through all steps before the next: their values stay in the cache nearest. */
const groupsAtOnce = 16;

/**
 * name(values, owed, after, scales, codes, groups) → the bits of the largest sum of a group's magnitudes; only if `isModerateSum`
 * says so is what was written of use. What is lost goes to `after` unless that is `nowhere`. One step for some groups, then the
 * next: within a step they do not wait for one another.
 */
export function addQuantise2(
  module: ModuleBuilder,
  name: string,
  { statistics, owing }: { readonly statistics: number; readonly owing: boolean },
): void {
  module.function(
    ["i32", "i32", "i32", "i32", "i32", "i32"],
    (f, [values, owed, after, scales, codes, groups]) => {
      const largest = f.local("i32");
      const end = f.local("i32");
      f.for({ from: 0, to: groups, step: groupsAtOnce }, (begin) => {
        f.set(end, i32.add(begin, groupsAtOnce));
        f.if(i32.ltS(groups, end), () => f.set(end, groups));
        const each = (step: (of: Place) => void): void => {
          const own = f.local("i32", i32.const(statistics));
          f.for({ from: begin, to: end }, (index) => {
            const first = f.local("i32", i32.mul(index, 4 * group));
            step({ index, first, own, scale: f.local("i32", i32.add(scales, i32.shl(index, 1))) });
            f.increment(own, statisticsBytes);
          });
        };
        each(({ first, own }) => {
          measure(f, { values, owed: owing ? owed : undefined, first, own });
          raiseBits(f, largest, i32.load(own, 4));
        });
        each(({ index, first, own, scale }) => {
          const to = f.local("i32", i32.add(codes, i32.mul(index, quarter)));
          const from = f.local("i32", i32.add(values, first));
          const outer = encode(f, { values: from, codes: to, threshold: f.local("v128", v128.load32Splat(own)) });
          const products = f32.add(outer.sum, f32.mul(f32.load(own, 4), 0.5));
          const weights = f32.convertI32S(i32.add(group / 4, i32.shl(outer.count, 1)));
          f.storeI16(scale, scaleBits(f, f32.div(products, weights)));
        });
        f.if(isSomewhere(after), () => each((place) => takeOff(f, { values, after }, place)));
      });
      f.return(largest);
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

/** Writes a group's statistics; adds what is owed to its values first. */
function measure(
  f: FunctionBuilder,
  { values, owed, first, own }: Pick<Given, "values" | "owed"> & Pick<Place, "first" | "own">,
): void {
  const mask = magnitudeMask(f);
  const [sums, squares] = [zeros(f), zeros(f)];
  f.for({ from: 0, to: 4 * group, step: 64 }, (at) => {
    const { magnitudes } = settled(f, { values, owed, mask }, f.local("i32", i32.add(first, at)));
    for (const [q, y] of magnitudes.entries()) {
      f.set(sums[q]!, f32x4.add(sums[q]!, y));
      f.set(squares[q]!, f32x4.add(squares[q]!, f32x4.mul(y, y)));
    }
  });
  f.storeF32(own, f32.mul(f32.sqrt(f32.mul(sumOfLanes(f, squares), 1 / group)), slightlyMore));
  f.storeF32(own, sumOfLanes(f, sums), 4);
}

/** Leaves what the codes lose of a group's values. */
function takeOff(
  f: FunctionBuilder,
  { values, after }: { readonly values: I32Expression; readonly after: I32Expression },
  { first, own, scale }: Place,
): void {
  const mask = magnitudeMask(f);
  const [threshold, flip] = [f.local("v128", v128.load32Splat(own)), signsOf(f, scale)];
  const inner = f.local("v128", f32x4.splat(f32.mul(scaleAt(scale), 0.5)));
  // Of the bits that the outer level has, and the inner has not, and the other way about.
  const differing = f.local("v128", v128.xor(inner, f32x4.mul(inner, f32x4.splat(3))));
  f.for({ from: 0, to: 4 * group, step: 64 }, (at) => {
    const offset = f.local("i32", i32.add(first, at));
    const to = f.local("i32", i32.add(after, offset));
    for (const [q, x] of sixteen(f, f.local("i32", i32.add(values, offset))).entries()) {
      const isOuter = f32x4.gt(v128.and(x, mask), threshold);
      const level = v128.xor(v128.xor(inner, v128.and(x, flip)), v128.and(isOuter, differing));
      f.storeV128(to, f32x4.sub(x, level), quads[q]);
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
  const [zero, two, three] = [0, 2, 3].map((x) => f.initialLocal("v128", i8x16.splat(x)));
  const sums = zeros(f);
  // Bytes: a group has eight values for each.
  const inners = f.local("v128");
  f.set(inners, i8x16.splat(group / 16));
  f.for({ from: 0, to: quarter, step: 16 }, (at) => {
    const quarters = [0, 1, 2, 3].map((part) => {
      const address = f.local("i32", i32.add(values, i32.add(i32.shl(at, 2), 4 * part * quarter)));
      // Two vectors at a time are narrowed, so that there are registers for all of them.
      const [low, high] = [0, 2].map((first) => {
        const two = [first, first + 1].map((q) => {
          const x = f.local("v128", v128.load(address, quads[q]));
          const magnitude = f.local("v128", v128.and(x, mask));
          const outer = f.local("v128", f32x4.gt(magnitude, threshold));
          f.set(sums[q]!, f32x4.add(sums[q]!, v128.and(magnitude, outer)));
          return { x, outer };
        });
        const narrowed = (what: "x" | "outer") => f.local("v128", i16x8.narrowI32x4S(two[0]![what], two[1]![what]));
        return { x: narrowed("x"), outer: narrowed("outer") };
      });
      const narrow = (what: "x" | "outer") => i8x16.narrowI16x8S(low![what], high![what]);
      const outer = f.local("v128", narrow("outer"));
      f.set(inners, i8x16.add(inners, outer));
      // 2 or 3, of negative values 3 less that. Narrowing keeps signs.
      const flipped = v128.and(i8x16.ltS(narrow("x"), zero!), three!);
      return f.local("v128", v128.xor(i8x16.sub(two!, outer), flipped));
    });
    const shifted = quarters.map((code, part) => (part === 0 ? code : i16x8.shl(code, 2 * part)));
    const [a, b, c, d] = shifted;
    f.storeV128(i32.add(codes, at), v128.or(v128.or(a!, b!), v128.or(c!, d!)));
  });
  const eight = i16x8.addPairsI8x16U(inners);
  const four = f.local("v128", i16x8.addPairsToI32x4U(eight));
  const pair = f.local("v128", i32x4.add(four, i32x4.shuffle(four, four, [2, 3, 0, 1])));
  const sum = f.local("f32", sumOfLanes(f, sums));
  const count = i32.sub(group, i32.add(i32x4.extractLane(pair, 0), i32x4.extractLane(pair, 1)));
  return { count, sum };
}

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
    for (const [part, four] of [i16x8.lowToI32x4U(eight), i16x8.highToI32x4U(eight)].entries()) {
      const level = f32x4.sub(f32x4.convertI32x4S(four), offset!);
      // Zeros have no sign here.
      f.storeV128(to, f32x4.add(f32x4.mul(level, scale), zero!), 32 * half + 16 * part);
    }
  }
}
