/** SIMD kernels of the sign codec, for whole groups: the bytes and values of the plain loops in `codec/sign.ts`, bit for bit. */
import type { ModuleBuilder } from "@weft/emitter";
import { f32, f32x4, i16x8, i32, i32x4, i8x16, v128 } from "@weft/emitter";
import { signGroup as group } from "../codec/groupShape.ts";
import {
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

/** Groups that are encoded before what they lose is taken off: their values stay in the cache nearest. */
const groupsAtOnce = 8;

/**
 * name(values, owed, after, scales, signs, groups) → the bits of the largest sum of a group's magnitudes; only if `isModerateSum`
 * says so is what was written of use. What is lost goes to `after` unless that is `nowhere`.
 */
export function addSigns(module: ModuleBuilder, name: string, { owing }: { readonly owing: boolean }): void {
  module.function(
    ["i32", "i32", "i32", "i32", "i32", "i32"],
    (f, [values, owed, after, scales, signs, groups]) => {
      const mask = magnitudeMask(f);
      const [largest, end] = [f.local("i32"), f.local("i32")];
      f.for({ from: 0, to: groups, step: groupsAtOnce }, (begin) => {
        f.set(end, i32.add(begin, groupsAtOnce));
        f.if(i32.ltS(groups, end), () => f.set(end, groups));
        f.for({ from: begin, to: end }, (index) => {
          const first = f.local("i32", i32.mul(index, 4 * group));
          const to = f.local("i32", i32.add(signs, i32.mul(index, group / 8)));
          const sums = zeros(f);
          f.for({ from: 0, to: 4 * group, step: 64 }, (at) => {
            const given = { values, owed: owing ? owed : undefined, mask };
            const four = settled(f, given, f.local("i32", i32.add(first, at)));
            for (const [q, magnitude] of four.magnitudes.entries()) f.set(sums[q]!, f32x4.add(sums[q]!, magnitude));
            // Narrowing keeps signs.
            const [a, b, c, d] = four.values;
            const bytes = i8x16.narrowI16x8S(i16x8.narrowI32x4S(a!, b!), i16x8.narrowI32x4S(c!, d!));
            f.storeI16(i32.add(to, i32.shrU(at, 5)), i8x16.bitmask(bytes));
          });
          const sum = f.local("f32", sumOfLanes(f, sums));
          raiseBits(f, largest, i32.reinterpretF32(sum));
          f.storeI16(i32.add(scales, i32.shl(index, 1)), scaleBits(f, f32.mul(sum, 1 / group)));
        });
        f.if(isSomewhere(after), () => {
          f.for({ from: begin, to: end }, (index) => {
            const scale = f.local("i32", i32.add(scales, i32.shl(index, 1)));
            const first = f.local("i32", i32.mul(index, 4 * group));
            const [level, flip] = [f.local("v128", f32x4.splat(scaleAt(scale))), signsOf(f, scale)];
            f.for({ from: 0, to: 4 * group, step: 64 }, (at) => {
              const offset = f.local("i32", i32.add(first, at));
              const to = f.local("i32", i32.add(after, offset));
              for (const [q, x] of sixteen(f, f.local("i32", i32.add(values, offset))).entries()) {
                f.storeV128(to, f32x4.sub(x, v128.or(level, v128.and(x, flip))), quads[q]);
              }
            });
          });
        });
      });
      f.return(largest);
    },
    { export: name, result: "i32" },
  );
}

/** name(values, scales, signs, groups): decodes whole groups, whose scales are in order. */
export function addFromSigns(module: ModuleBuilder, name: string): void {
  module.function(
    ["i32", "i32", "i32", "i32"],
    (f, [values, scales, signs, groups]) => {
      const [low, high] = [f.local("v128", i32x4.const([1, 2, 4, 8])), f.local("v128", i32x4.const([16, 32, 64, 128]))];
      f.for({ from: 0, to: groups }, (index) => {
        const from = f.local("i32", i32.add(scales, i32.shl(index, 1)));
        const [scale, flip] = [f.local("v128", f32x4.splat(scaleAt(from))), signsOf(f, from)];
        f.for({ from: 0, to: group / 8 }, (at) => {
          const byte = f.local("v128", i32x4.splat(i32.load8U(i32.add(signs, at))));
          const to = f.local("i32", i32.add(values, i32.shl(at, 5)));
          for (const [half, bit] of [low, high].entries()) {
            const isSet = i32x4.eq(v128.and(byte, bit), bit);
            f.storeV128(to, v128.xor(scale, v128.and(isSet, flip)), 16 * half);
          }
        });
        f.increment(values, 4 * group);
        f.increment(signs, group / 8);
      });
    },
    { export: name },
  );
}
