/** SIMD kernels of the sign codec, for whole groups: the bytes and values of the plain loops in `codec/sign.ts`, bit for bit. */
import type { ModuleBuilder } from "@weft/emitter";
import { f32, f32x4, i16x8, i32, i32x4, i8x16, select, v128 } from "@weft/emitter";
import { signGroup as group } from "../codec/groupShape.ts";
import { magnitudeMask, quads, scaleAt, scaleBits, sixteen, sumOfLanes, zeros } from "./groups.ts";

const signBit = 0x80000000 | 0;

/** name(values, scales, signs, groups, down, keep): magnitudes below 2^126; with `keep`, what is lost takes the place of the values. */
export function addSigns(module: ModuleBuilder, name: string): void {
  module.function(
    ["i32", "i32", "i32", "i32", "f32", "i32"],
    (f, [values, scales, signs, groups, down, keep]) => {
      const downs = f.local("v128", f32x4.splat(down));
      const up = f.local("f32", f32.div(1, down));
      f.for({ from: 0, to: groups }, (index) => {
        const from = f.local("i32", i32.add(values, i32.mul(index, 4 * group)));
        const to = f.local("i32", i32.add(signs, i32.mul(index, group / 8)));
        const sums = zeros(f);
        f.for({ from: 0, to: 4 * group, step: 64 }, (at) => {
          const four = sixteen(f, f.local("i32", i32.add(from, at)));
          for (const [q, x] of four.entries()) {
            f.set(sums[q]!, f32x4.add(sums[q]!, f32x4.mul(v128.and(x, magnitudeMask), downs)));
          }
          const [a, b, c, d] = four.map((x) => f32x4.lt(x, f32x4.splat(0)));
          const bytes = i8x16.narrowI16x8S(i16x8.narrowI32x4S(a!, b!), i16x8.narrowI32x4S(c!, d!));
          f.storeI16(i32.add(to, i32.shrU(at, 5)), i8x16.bitmask(bytes));
        });
        const mean = f32.mul(f32.mul(sumOfLanes(f, sums), 1 / group), up);
        f.storeI16(i32.add(scales, i32.shl(index, 1)), scaleBits(f, mean));
      });
      f.if(keep, () => {
        f.for({ from: 0, to: groups }, (index) => {
          const level = f.local("v128", f32x4.splat(scaleAt(i32.add(scales, i32.shl(index, 1)))));
          f.for({ from: 0, to: 4 * group, step: 64 }, (at) => {
            const address = f.local("i32", i32.add(values, at));
            for (const [q, x] of sixteen(f, address).entries()) {
              const negative = v128.and(f32x4.lt(x, f32x4.splat(0)), i32x4.splat(signBit));
              f.storeV128(address, f32x4.sub(x, v128.or(level, negative)), quads[q]);
            }
          });
          f.increment(values, 4 * group);
        });
      });
    },
    { export: name },
  );
}

/** name(values, scales, signs, groups): decodes whole groups, whose scales are in order. */
export function addFromSigns(module: ModuleBuilder, name: string): void {
  module.function(
    ["i32", "i32", "i32", "i32"],
    (f, [values, scales, signs, groups]) => {
      const [low, high] = [f.local("v128", i32x4.const([1, 2, 4, 8])), f.local("v128", i32x4.const([16, 32, 64, 128]))];
      f.for({ from: 0, to: groups }, (index) => {
        const bits = f.local("i32", i32.shl(i32.load16U(i32.add(scales, i32.shl(index, 1))), 16));
        const scale = f.local("v128", i32x4.splat(bits));
        // A scale of zero has no sign.
        const flip = f.local("v128", i32x4.splat(select(bits, i32.const(signBit), i32.const(0))));
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
