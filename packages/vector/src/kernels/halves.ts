/** SIMD kernels of the f16 and bf16 codecs, eight values at a time; bit for bit the plain loops of the codecs, NaN payloads apart. */
import type { Expression, FunctionBuilder, ModuleBuilder, V128 } from "@weft/emitter";
import { f32x4, i32, i32x4, i16x8, v128 } from "@weft/emitter";

const magnitudeMask = 0x7fffffff;

/** name(values, halves, count): f32 to f16, count a multiple of eight. */
export function addToHalves(module: ModuleBuilder): void {
  addNarrowing(module, "toHalves", (word, { keep, fixed }) => {
    const sign = v128.and(i32x4.shrU(word, 16), fixed(i32x4.splat(0x8000)));
    const magnitude = keep(v128.and(word, fixed(i32x4.splat(magnitudeMask))));
    // Re-bias the exponent by 112 and round away 13 bits.
    const odd = v128.and(i32x4.shrU(magnitude, 13), fixed(i32x4.splat(1)));
    const normal = i32x4.shrU(i32x4.add(i32x4.add(magnitude, fixed(i32x4.splat(0xfff - 0x38000000))), odd), 13);
    // Beside 0.5 an f32 counts in steps of 2^-24, as subnormal halves do.
    const subnormal = i32x4.sub(f32x4.add(magnitude, fixed(f32x4.splat(0.5))), fixed(i32x4.splat(0x3f000000)));
    const isNaN = i32x4.gtS(magnitude, fixed(i32x4.splat(0x7f800000)));
    const special = v128.or(fixed(i32x4.splat(0x7c00)), v128.and(isNaN, fixed(i32x4.splat(0x200))));
    const finite = v128.bitselect(subnormal, normal, i32x4.ltS(magnitude, fixed(i32x4.splat(0x38800000))));
    return v128.or(sign, v128.bitselect(special, finite, i32x4.gtS(magnitude, fixed(i32x4.splat(0x477fffff)))));
  });
}

/** name(values, halves, count): f32 to bf16. */
export function addToBrains(module: ModuleBuilder): void {
  addNarrowing(module, "toBrains", (word, { keep, fixed }) => {
    const upper = keep(i32x4.shrU(word, 16));
    const odd = v128.and(upper, fixed(i32x4.splat(1)));
    const rounded = i32x4.shrU(i32x4.add(i32x4.add(word, fixed(i32x4.splat(0x7fff))), odd), 16);
    const isNaN = i32x4.gtS(v128.and(word, fixed(i32x4.splat(magnitudeMask))), fixed(i32x4.splat(0x7f800000)));
    return v128.bitselect(v128.or(upper, fixed(i32x4.splat(0x40))), rounded, isNaN);
  });
}

/** name(values, halves, count): f16 to f32. */
export function addFromHalves(module: ModuleBuilder): void {
  addWidening(module, "fromHalves", (half, { keep, fixed }) => {
    const sign = i32x4.shl(v128.and(half, fixed(i32x4.splat(0x8000))), 16);
    const magnitude = keep(v128.and(half, fixed(i32x4.splat(0x7fff))));
    // As if none were subnormal, whose implicit 1 is taken off below: of those that makes less, of others more.
    const normal = keep(i32x4.add(i32x4.shl(magnitude, 13), fixed(i32x4.splat(0x38000000))));
    const raised = i32x4.add(normal, fixed(i32x4.splat(0x00800000)));
    const finite = i32x4.minS(normal, f32x4.sub(raised, fixed(f32x4.splat(2 ** -14))));
    const isSpecial = i32x4.gtS(magnitude, fixed(i32x4.splat(0x7bff)));
    return v128.or(v128.or(sign, finite), v128.and(isSpecial, fixed(i32x4.splat(0x7f800000))));
  });
}

/** name(values, halves, count): bf16 to f32. */
export function addFromBrains(module: ModuleBuilder): void {
  addWidening(module, "fromBrains", (half) => i32x4.shl(half, 16));
}

interface Locals {
  readonly keep: (value: V128) => V128;
  /** For constants, which an engine would make anew at every turn. */
  readonly fixed: (value: V128) => V128;
}

const localsOf = (f: FunctionBuilder): Locals => ({
  keep: (value) => f.local("v128", value),
  fixed: (value) => f.initialLocal("v128", value),
});

function addNarrowing(module: ModuleBuilder, name: string, narrow: (word: V128, locals: Locals) => V128): void {
  module.function(
    ["i32", "i32", "i32"],
    (f, [values, halves, count]) => {
      const locals = localsOf(f);
      const { keep } = locals;
      f.for({ from: 0, to: count, step: 8 }, (at) => {
        const from = f.local("i32", i32.add(values, i32.shl(at, 2)));
        const [low, high] = [0, 16].map((offset) => keep(narrow(keep(v128.load(from, offset)), locals))) as [
          V128,
          V128,
        ];
        f.storeV128(i32.add(halves, i32.shl(at, 1)), i16x8.narrowI32x4U(low, high));
      });
    },
    { export: name },
  );
}

function addWidening(module: ModuleBuilder, name: string, widen: (half: V128, locals: Locals) => V128): void {
  module.function(
    ["i32", "i32", "i32"],
    (f, [values, halves, count]) => {
      const locals = localsOf(f);
      const { keep } = locals;
      f.for({ from: 0, to: count, step: 8 }, (at) => {
        const eight = keep(v128.load(i32.add(halves, i32.shl(at, 1))));
        const to: Expression<"i32"> = f.local("i32", i32.add(values, i32.shl(at, 2)));
        f.storeV128(to, widen(keep(i16x8.lowToI32x4U(eight)), locals));
        f.storeV128(to, widen(keep(i16x8.highToI32x4U(eight)), locals), 16);
      });
    },
    { export: name },
  );
}
