/** SIMD kernels around what a codec owes: adding it, and looking at a run's largest magnitude. */
import type { ModuleBuilder } from "@weft/emitter";
import { f32x4, i32, v128 } from "@weft/emitter";
import { groupMagnitude, quads } from "./groups.ts";

/** name(values, owed, count): values[i] += owed[i], for a multiple of sixteen. */
export function addOwed(module: ModuleBuilder, name: string): void {
  module.function(
    ["i32", "i32", "i32"],
    (f, [values, owed, count]) => {
      f.for({ from: 0, to: i32.shl(count, 2), step: 64 }, (at) => {
        const to = f.local("i32", i32.add(values, at));
        const from = f.local("i32", i32.add(owed, at));
        for (const offset of quads) {
          f.storeV128(to, f32x4.add(v128.load(to, offset), v128.load(from, offset)), offset);
        }
      });
    },
    { export: name },
  );
}

/** name(values, count) → the bits of the largest magnitude of a multiple of sixteen, NaN's above infinity's. */
export function addLargest(module: ModuleBuilder, name: string): void {
  module.function(["i32", "i32"], (f, [values, count]) => f.return(groupMagnitude(f, values, count)), {
    export: name,
    result: "i32",
  });
}
