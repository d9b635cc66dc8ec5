/** SIMD kernels around what a codec owes: adding it, and looking at a run's largest magnitude. Runs are multiples of sixteen. */
import type { FunctionBuilder, Local, ModuleBuilder, V128 } from "@weft/emitter";
import { f32x4, i32, i32x4, v128 } from "@weft/emitter";
import { largestLane, magnitudeMask, quads } from "./groups.ts";

/**
 * name(values, owed, after, count): after[i] = values[i] + owed[i] → the bits of the largest magnitude of the sums, NaN's above
 * infinity's.
 */
export function addOwed(module: ModuleBuilder, name: string): void {
  module.function(
    ["i32", "i32", "i32", "i32"],
    (f, [values, owed, after, count]) => {
      const mask = magnitudeMask(f);
      const largest = quads.map(() => f.local("v128"));
      f.for({ from: 0, to: i32.shl(count, 2), step: 64 }, (at) => {
        const [x, y, to] = [values, owed, after].map((address) => f.local("i32", i32.add(address, at)));
        for (const [q, offset] of quads.entries()) {
          const sum = f.local("v128", f32x4.add(v128.load(x!, offset), v128.load(y!, offset)));
          f.storeV128(to!, sum, offset);
          raise(f, largest[q]!, v128.and(sum, mask));
        }
      });
      f.return(largestLane(f, largest));
    },
    { export: name, result: "i32" },
  );
}

/** name(values, count) → the bits of the largest magnitude. */
export function addLargest(module: ModuleBuilder, name: string): void {
  module.function(
    ["i32", "i32"],
    (f, [values, count]) => {
      const mask = magnitudeMask(f);
      const largest = quads.map(() => f.local("v128"));
      f.for({ from: 0, to: i32.shl(count, 2), step: 64 }, (at) => {
        const from = f.local("i32", i32.add(values, at));
        for (const [q, offset] of quads.entries()) raise(f, largest[q]!, v128.and(v128.load(from, offset), mask));
      });
      f.return(largestLane(f, largest));
    },
    { export: name, result: "i32" },
  );
}

const raise = (f: FunctionBuilder, largest: Local<"v128">, magnitude: V128): void =>
  f.set(largest, i32x4.maxS(largest, magnitude));
