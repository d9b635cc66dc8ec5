/** SIMD kernels of the sign codec, for whole groups: the bytes and values of the plain loops in `codec/sign.ts`, bit for bit. */
import type { ModuleBuilder } from "@weft/emitter";
import { f32, f32x4, i16x8, i32, i32x4, i8x16, select, v128 } from "@weft/emitter";
import { signGroup as group } from "../codec/groupShape.ts";
import { groupMagnitude, powerBelow, quads, scaleBits, sixteen, sumOfLanes, zeros } from "./groups.ts";

const signBit = 0x80000000 | 0;

/**
 * name(values, scales, signs, groups, keep) → the bits of the largest magnitude; from 2^126 on, what was written is of no use.
 * With `keep`, what is lost takes the place of the values.
 */
export function addSigns(module: ModuleBuilder, name: string): void {
  module.function(
    ["i32", "i32", "i32", "i32", "i32"],
    (f, [values, scales, signs, groups, keep]) => {
      const largest = f.local("v128");
      const magnitudes = f.local("v128", i32x4.splat(0x7fffffff));
      f.for({ from: 0, to: groups }, (index) => {
        const magnitude = f.local("i32", groupMagnitude(f, values, group));
        f.set(largest, i32x4.maxS(largest, i32x4.splat(magnitude)));
        const down = f.local("f32", powerBelow(magnitude));
        const downs = f.local("v128", f32x4.splat(down));
        const sums = zeros(f);
        f.for({ from: 0, to: 4 * group, step: 64 }, (at) => {
          const address = f.local("i32", i32.add(values, at));
          const four = sixteen(f, address);
          for (const [q, x] of four.entries()) {
            f.set(sums[q]!, f32x4.add(sums[q]!, f32x4.mul(v128.and(x, magnitudes), downs)));
          }
          const [a, b, c, d] = four.map((x) => f32x4.lt(x, f32x4.splat(0)));
          const bytes = i8x16.narrowI16x8S(i16x8.narrowI32x4S(a!, b!), i16x8.narrowI32x4S(c!, d!));
          f.storeI16(i32.add(signs, i32.shrU(at, 5)), i8x16.bitmask(bytes));
        });
        const mean = f.local("f32", f32.mul(f32.mul(sumOfLanes(f, sums), 1 / group), f32.div(1, down)));
        const scale = f.local("i32", scaleBits(f, mean));
        f.storeI16(i32.add(scales, i32.shl(index, 1)), scale);
        f.if(keep, () => {
          const level = f.local("v128", f32x4.splat(f32.reinterpretI32(i32.shl(scale, 16))));
          f.for({ from: 0, to: 4 * group, step: 64 }, (at) => {
            const address = f.local("i32", i32.add(values, at));
            for (const [q, x] of sixteen(f, address).entries()) {
              const negative = v128.and(f32x4.lt(x, f32x4.splat(0)), i32x4.splat(signBit));
              f.storeV128(address, f32x4.sub(x, v128.or(level, negative)), quads[q]);
            }
          });
        });
        f.increment(values, 4 * group);
        f.increment(signs, group / 8);
      });
      f.return(i32x4.extractLane(largest, 0));
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
