/**
 * SIMD kernels of exact sums: the norm of a run of values, and their rounding to the grid and adding. The sums get the bits
 * of the plain loops in `accumulator.ts`.
 */
import type { Local, ModuleBuilder, V128 } from "@weft/emitter";
import { f32x4, f64, f64x2, hasRelaxedSimd, i32, i32x4, v128 } from "@weft/emitter";

/** Values taken at a turn; a run is filled up with zeros to a multiple of this. */
export const foldStep = 64;

/**
 * name(values, count) → the sum of squares, to some 1e-6; not finite when a value is not, or has a square beyond f32.
 * Sixteen squares are added in f32 before they join an f64: a third of the instructions that f64 throughout would take.
 */
export function addSquaredNorm(module: ModuleBuilder, name: string): void {
  module.function(
    ["i32", "i32"],
    (f, [values, count]) => {
      const [low, high] = [f.local("v128"), f.local("v128")];
      f.for({ from: 0, to: i32.shl(count, 2), step: 4 * foldStep }, (at) => {
        const from = f.local("i32", i32.add(values, at));
        const squaresFrom = (first: number): V128 => {
          const sum = f.local("v128");
          for (let i = first; i < foldStep; i += 16) {
            const x = f.local("v128", v128.load(from, 4 * i));
            f.set(sum, i < 16 ? f32x4.mul(x, x) : f32x4.add(sum, f32x4.mul(x, x)));
          }
          return sum;
        };
        const [a, b, c, d] = [squaresFrom(0), squaresFrom(4), squaresFrom(8), squaresFrom(12)];
        const four = f.local("v128", f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
        f.set(low, f64x2.add(low, f64x2.promoteLow(four)));
        f.set(high, f64x2.add(high, f64x2.promoteLow(upperTwo(four))));
      });
      const two = f.local("v128", f64x2.add(low, high));
      f.return(f64.add(f64x2.extractLane(two, 0), f64x2.extractLane(two, 1)));
    },
    { export: name, result: "f64" },
  );
}

/** name(values, sums, count, weight, magic); with `fresh`, what the sums held before counts as 0. */
export function addFold(module: ModuleBuilder, name: string, { fresh }: { readonly fresh: boolean }): void {
  // weight · value is exact in f64, so one rounding or two makes no difference.
  const weigh = hasRelaxedSimd() ? f64x2.relaxedMadd : (x: V128, y: V128, z: V128) => f64x2.add(f64x2.mul(x, y), z);
  module.function(
    ["i32", "i32", "i32", "f64", "f64"],
    (f, [values, sums, count, weight, magic]) => {
      const [weights, magics] = [f.local("v128", f64x2.splat(weight)), f.local("v128", f64x2.splat(magic))];
      const fold = (to: Local<"i32">, pair: V128, offset: number): void => {
        const rounded = f64x2.sub(weigh(weights, pair, magics), magics);
        f.storeV128(to, fresh ? rounded : f64x2.add(v128.load(to, offset), rounded), offset);
      };
      f.for({ from: 0, to: i32.shl(count, 2), step: 4 * 16 }, (at) => {
        const from = f.local("i32", i32.add(values, at));
        const to = f.local("i32", i32.add(sums, i32.shl(at, 1)));
        for (let i = 0; i < 16; i += 2) fold(to, f64x2.promoteLow(v128.load64Zero(from, 4 * i)), 8 * i);
      });
    },
    { export: name },
  );
}

const upperTwo = (x: V128): V128 => i32x4.shuffle(x, x, [2, 3, 2, 3]);
