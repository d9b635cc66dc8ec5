/** Contractions of integers, one element at a time; also empty ones: a sum of nothing is 0 in any dtype. */
import { i32, ModuleBuilder } from "@weft/emitter";
import { defineRun } from "../defineRun.ts";
import type { KernelSource } from "../kernel.ts";
import { offsetOf } from "./axes.ts";
import type { Contraction } from "./contraction.ts";
import { contractionKey } from "./contraction.ts";

/** A tile is one row of the result. */
export function simpleDot(contraction: Contraction): KernelSource {
  return {
    key: `dotSimple:${contractionKey(contraction)}`,
    build: () => build(contraction),
    tiles: contraction.n === 0 ? 0 : contraction.batch * contraction.m,
    scratchBytes: 0,
  };
}

function build({ lhs, rhs, m, n, k }: Contraction): ModuleBuilder {
  const module = new ModuleBuilder();
  return defineRun(module, 3, (f, [from, to, , a, b, c]) => {
    const [batch, row, target] = f.zeros(3);
    const [left, right, sum] = f.zeros(3);
    f.for({ from, to }, (tile) => {
      f.set(batch, i32.divU(tile, m));
      f.set(row, i32.remU(tile, m));
      f.set(left, i32.add(a, i32.add(offsetOf(lhs.batch, batch), offsetOf(lhs.outer, row))));
      f.set(target, i32.add(c, i32.mul(tile, 4 * n)));
      f.for({ from: 0, to: n }, (column) => {
        f.set(right, i32.add(b, i32.add(offsetOf(rhs.batch, batch), offsetOf(rhs.outer, column))));
        f.set(sum, i32.const(0));
        f.for({ from: 0, to: k }, (index) => {
          const x = i32.load(i32.add(left, offsetOf(lhs.inner, index)));
          const y = i32.load(i32.add(right, offsetOf(rhs.inner, index)));
          f.increment(sum, i32.mul(x, y));
        });
        f.storeI32(i32.add(target, i32.mul(column, 4)), sum);
      });
    });
  });
}
