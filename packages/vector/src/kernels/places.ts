/** SIMD kernels that count large values and find their places. Runs are multiples of sixteen. */
import type { FunctionBuilder, Local, ModuleBuilder, V128 } from "@weft/emitter";
import { f32x4, i16x8, i32, i32x4, i8x16, v128 } from "@weft/emitter";
import { type I32Expression, magnitudeMask, quads, sixteen, zeros } from "./groups.ts";

/** name(values, count, least) → how many of the values have a magnitude whose bits are at least `least`. */
export function addCount(module: ModuleBuilder, name: string): void {
  module.function(
    ["i32", "i32", "i32"],
    (f, [values, count, least]) => {
      const mask = magnitudeMask(f);
      const below = f.local("v128", i32x4.splat(i32.sub(least, 1)));
      const sums = zeros(f);
      f.for({ from: 0, to: i32.shl(count, 2), step: 64 }, (at) => {
        for (const [q, x] of sixteen(f, f.local("i32", i32.add(values, at))).entries()) {
          f.set(sums[q]!, i32x4.sub(sums[q]!, i32x4.gtS(v128.and(x, mask), below)));
        }
      });
      const [a, b, c, d] = sums;
      const four = f.local("v128", i32x4.add(i32x4.add(a!, b!), i32x4.add(c!, d!)));
      const two = f.local("v128", i32x4.add(four, i32x4.shuffle(four, four, [2, 3, 0, 1])));
      f.return(i32.add(i32x4.extractLane(two, 0), i32x4.extractLane(two, 1)));
    },
    { export: name, result: "i32" },
  );
}

/**
 * name(values, places, magnitudes, count, least): as `addCount`; their places are written as u16, ascending, and the bits of their
 * magnitudes.
 */
export function addPlaces(module: ModuleBuilder, name: string): void {
  module.function(
    ["i32", "i32", "i32", "i32", "i32"],
    (f, [values, places, magnitudes, count, least]) => {
      const load = (at: I32Expression) => sixteen(f, f.local("i32", i32.add(values, at)));
      seek(f, { load, from: values, places, magnitudes, count, least });
    },
    { export: name, result: "i32" },
  );
}

/**
 * name(values, owed, after, count, places, magnitudes, least): after[i] = values[i] + owed[i], and as `addPlaces` of the sums, in
 * one pass, for memory is what it waits for. Magnitudes may be written over what is owed.
 */
export function addSumsAndPlaces(module: ModuleBuilder, name: string): void {
  module.function(
    ["i32", "i32", "i32", "i32", "i32", "i32", "i32"],
    (f, [values, owed, after, count, places, magnitudes, least]) => {
      const load = (at: I32Expression) => {
        const [x, y, to] = [values, owed, after].map((address) => f.local("i32", i32.add(address, at)));
        return quads.map((offset) => {
          const sum = f.local("v128", f32x4.add(v128.load(x!, offset), v128.load(y!, offset)));
          f.storeV128(to!, sum, offset);
          return sum;
        });
      };
      seek(f, { load, from: after, places, magnitudes, count, least });
    },
    { export: name, result: "i32" },
  );
}

interface Seeking {
  /** Sixteen values from a byte on, which then lie there in `from`. */
  readonly load: (at: I32Expression) => readonly V128[];
  readonly from: I32Expression;
  readonly places: I32Expression;
  readonly magnitudes: Local<"i32">;
  readonly count: I32Expression;
  readonly least: I32Expression;
}

function seek(f: FunctionBuilder, { load, from, places, magnitudes, count, least }: Seeking): void {
  const [to, left] = [f.local("i32", places), f.local("i32")];
  const mask = magnitudeMask(f);
  const below = f.local("v128", i32x4.splat(i32.sub(least, 1)));
  f.for({ from: 0, to: count, step: 16 }, (at) => {
    const [a, b, c, d] = load(f.local("i32", i32.shl(at, 2))).map((x) => i32x4.gtS(v128.and(x, mask), below));
    const bytes = i8x16.narrowI16x8S(i16x8.narrowI32x4S(a!, b!), i16x8.narrowI32x4S(c!, d!));
    f.set(left, i8x16.bitmask(bytes));
    f.if(left, () => {
      f.loop((again) => {
        const place = f.local("i32", i32.add(at, i32.ctz(left)));
        f.storeI16(to, place);
        f.storeI32(magnitudes, i32.and(i32.load(i32.add(from, i32.shl(place, 2))), 0x7fffffff));
        f.increment(to, 2);
        f.increment(magnitudes, 4);
        f.set(left, i32.and(left, i32.sub(left, 1)));
        f.branchIf(left, again);
      });
    });
  });
  f.return(i32.shrU(i32.sub(to, places), 1));
}
