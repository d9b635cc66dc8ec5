/**
 * SIMD kernels of order statistics: rows of values sorted against one another by a network of comparisons, and the sum of some of
 * the sorted ones. The bits are those of the plain loops in `sortedSums.ts`.
 */
import {
  f32x4,
  f64x2,
  hasSimd,
  i32,
  i32x4,
  type InstantiatedModule,
  compileAlone,
  ModuleBuilder,
  v128,
} from "@weft/emitter";

/** Elements of a row are a multiple of this. */
export const rowStep = 16;

export interface SortingKernels {
  readonly memory: ArrayBuffer;
  /**
   * Of each pair of rows the lesser values go to the first.
   *
   * @param pairs address of so many pairs of addresses of rows, as i32
   * @param bytes of a row
   */
  sort(pairs: number, count: number, bytes: number): void;
  /**
   * Writes the sums of so many rows, in f64, in their order.
   *
   * @param rows address of the first
   * @param stride bytes from each to the next
   * @param bytes of a row that are summed
   */
  sum(...operands: SumOperands): void;
}

type SumOperands = readonly [rows: number, count: number, stride: number, bytes: number, sums: number];

let compiled: ((memoryBytes: number) => InstantiatedModule) | undefined;
let isCompiled = false;
let kernels: SortingKernels | undefined;

/** With so much memory at least; undefined where there are none. What lies in it is gone with the next call. */
export function sortingKernels(memoryBytes: number): SortingKernels | undefined {
  if (!isCompiled) compiled = hasSimd() ? compileAlone(sortingModule()) : undefined;
  isCompiled = true;
  if (compiled === undefined) return undefined;
  if (kernels !== undefined && kernels.memory.byteLength >= memoryBytes) return kernels;
  const { memory, functions } = compiled(memoryBytes);
  kernels = { memory, ...(functions as unknown as Pick<SortingKernels, "sort" | "sum">) };
  return kernels;
}

function sortingModule(): ModuleBuilder {
  const module = new ModuleBuilder();
  module.function(
    ["i32", "i32", "i32"],
    (f, [pairs, count, bytes]) => {
      f.for({ from: 0, to: i32.shl(count, 3), step: 8 }, (at) => {
        const pair = f.local("i32", i32.add(pairs, at));
        const [low, high] = [f.local("i32", i32.load(pair)), f.local("i32", i32.load(pair, 4))];
        f.for({ from: 0, to: bytes, step: 4 * rowStep }, (offset) => {
          const [lows, highs] = [f.local("i32", i32.add(low, offset)), f.local("i32", i32.add(high, offset))];
          for (let i = 0; i < 4 * rowStep; i += 16) {
            const [x, y] = [f.local("v128", v128.load(lows, i)), f.local("v128", v128.load(highs, i))];
            f.storeV128(lows, f32x4.min(x, y), i);
            f.storeV128(highs, f32x4.max(x, y), i);
          }
        });
      });
    },
    { export: "sort" },
  );
  module.function(
    ["i32", "i32", "i32", "i32", "i32"],
    (f, [rows, count, stride, bytes, sums]) => {
      f.for({ from: 0, to: bytes, step: 16 }, (offset) => {
        const [low, high] = [f.local("v128"), f.local("v128")];
        f.set(low, f64x2.splat(0));
        f.set(high, f64x2.splat(0));
        const from = f.local("i32", i32.add(rows, offset));
        f.for({ from: 0, to: count }, () => {
          const four = f.local("v128", v128.load(from));
          f.set(low, f64x2.add(low, f64x2.promoteLow(four)));
          f.set(high, f64x2.add(high, f64x2.promoteLow(i32x4.shuffle(four, four, [2, 3, 2, 3]))));
          f.increment(from, stride);
        });
        const to = f.local("i32", i32.add(sums, i32.shl(offset, 1)));
        f.storeV128(to, low);
        f.storeV128(to, high, 16);
      });
    },
    { export: "sum" },
  );
  return module;
}
