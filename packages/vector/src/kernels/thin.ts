/**
 * SIMD kernels for products of a matrix with thin ones, a panel of its rows at a time. Rows are `stride` apart, a multiple of
 * four; thin matrices of columns lie transposed, as `rank` rows of `stride`, a multiple of four of them. The bits are those of
 * the plain loops in `codec/thinProducts.ts`.
 */
import type { Expression, FunctionBuilder, ModuleBuilder, V128 } from "@weft/emitter";
import { f32, f32x4, i32, i32x4, v128 } from "@weft/emitter";

type I32Expression = Expression<"i32">;

/** Columns of the thin matrix, and of the large one, that a turn takes. */
const tile = [0, 1, 2, 3];

/** name(values, thin, left, rows, stride, rank): left[i][k] = Σ values[i][j] · thin[k][j], four sums side by side. */
export function addProject(module: ModuleBuilder, name: string): void {
  module.function(
    ["i32", "i32", "i32", "i32", "i32", "i32"],
    (f, [values, thin, left, rows, stride, rank]) => {
      const rowBytes = f.local("i32", i32.shl(stride, 2));
      f.for({ from: 0, to: rows, step: 2 }, (i) => {
        const first = f.local("i32", i32.add(values, i32.mul(i, rowBytes)));
        f.for({ from: 0, to: rank, step: 4 }, (k) => {
          const columns = thinRows(f, { thin, rowBytes, k });
          const sums = [0, 1].map(() => tile.map(() => zero(f)));
          f.for({ from: 0, to: rowBytes, step: 16 }, (at) => {
            const address = f.local("i32", i32.add(first, at));
            const next = v128.load(i32.add(address, rowBytes));
            const pair = [f.local("v128", v128.load(address)), f.local("v128", next)];
            for (const t of tile) {
              const column = f.local("v128", v128.load(i32.add(columns[t]!, at)));
              for (const [r, x] of pair.entries()) {
                const sum = sums[r]![t]!;
                f.set(sum, f32x4.add(sum, f32x4.mul(x, column)));
              }
            }
          });
          for (const r of [0, 1]) {
            const to = f.local("i32", i32.add(left, i32.shl(i32.add(i32.mul(i32.add(i, r), rank), k), 2)));
            for (const t of tile) f.storeF32(to, laneSum(f, sums[r]![t]!), 4 * t);
          }
        });
      });
    },
    { export: name },
  );
}

/** name(values, thin, left, rows, stride, rank): thin[k][j] += values[i][j] · left[i][k], row after row. */
export function addGather(module: ModuleBuilder, name: string): void {
  module.function(
    ["i32", "i32", "i32", "i32", "i32", "i32"],
    (f, [values, thin, left, rows, stride, rank]) => {
      const rowBytes = f.local("i32", i32.shl(stride, 2));
      f.for({ from: 0, to: rows, step: 2 }, (i) => {
        const first = f.local("i32", i32.add(values, i32.mul(i, rowBytes)));
        f.for({ from: 0, to: rank, step: 4 }, (k) => {
          const columns = thinRows(f, { thin, rowBytes, k });
          const factors = [0, 1].map((r) => {
            const from = f.local("i32", i32.add(left, i32.shl(i32.add(i32.mul(i32.add(i, r), rank), k), 2)));
            return tile.map((t) => f.local("v128", v128.load32Splat(from, 4 * t)));
          });
          f.for({ from: 0, to: rowBytes, step: 16 }, (at) => {
            const address = f.local("i32", i32.add(first, at));
            const next = v128.load(i32.add(address, rowBytes));
            const pair = [f.local("v128", v128.load(address)), f.local("v128", next)];
            for (const t of tile) {
              const to = f.local("i32", i32.add(columns[t]!, at));
              const one = f32x4.add(v128.load(to), f32x4.mul(pair[0]!, factors[0]![t]!));
              f.storeV128(to, f32x4.add(one, f32x4.mul(pair[1]!, factors[1]![t]!)));
            }
          });
        });
      });
    },
    { export: name },
  );
}

/**
 * name(values, thin, left, rows, stride, rank): values[i][j] = Σ left[i][k] · thin[k][j], or that taken off what is there. Two
 * rows at a time, so that columns are loaded once for both; their first four factors stay in registers.
 */
export function addExpand(module: ModuleBuilder, name: string, { takeOff }: { readonly takeOff: boolean }): void {
  module.function(
    ["i32", "i32", "i32", "i32", "i32", "i32"],
    (f, [values, thin, left, rows, stride, rank]) => {
      const rowBytes = f.local("i32", i32.shl(stride, 2));
      const further = f.local("i32", i32.add(thin, i32.shl(rowBytes, 2)));
      f.for({ from: 0, to: rows, step: 2 }, (i) => {
        const row = f.local("i32", i32.add(values, i32.mul(i, rowBytes)));
        const lefts = [0, 1].map((r) => f.local("i32", i32.add(left, i32.shl(i32.mul(i32.add(i, r), rank), 2))));
        const factors = lefts.map((from) => tile.map((t) => f.local("v128", v128.load32Splat(from, 4 * t))));
        const columns = thinRows(f, { thin, rowBytes, k: i32.const(0) });
        f.for({ from: 0, to: rowBytes, step: 16 }, (at) => {
          const sums = [zero(f), zero(f)];
          const add = (column: V128, of: (r: number) => V128): void => {
            for (const [r, sum] of sums.entries()) f.set(sum, f32x4.add(sum, f32x4.mul(of(r), column)));
          };
          for (const t of tile) {
            add(f.local("v128", v128.load(i32.add(columns[t]!, at))), (r) => factors[r]![t]!);
          }
          const column = f.local("i32", i32.add(further, at));
          f.for({ from: 4, to: rank }, (k) => {
            add(f.local("v128", v128.load(column)), (r) => v128.load32Splat(i32.add(lefts[r]!, i32.shl(k, 2))));
            f.increment(column, rowBytes);
          });
          const first = f.local("i32", i32.add(row, at));
          for (const [r, sum] of sums.entries()) {
            const to = r === 0 ? first : f.local("i32", i32.add(first, rowBytes));
            f.storeV128(to, takeOff ? f32x4.sub(v128.load(to), sum) : sum);
          }
        });
      });
    },
    { export: name },
  );
}

function zero(f: FunctionBuilder) {
  const sum = f.local("v128");
  f.set(sum, i32x4.splat(0));
  return sum;
}

interface Thin {
  readonly thin: I32Expression;
  readonly rowBytes: I32Expression;
  readonly k: I32Expression;
}

/** Addresses of four rows of a thin matrix. */
const thinRows = (f: FunctionBuilder, { thin, rowBytes, k }: Thin) =>
  tile.map((t) => f.local("i32", i32.add(thin, i32.mul(i32.add(k, t), rowBytes))));

function laneSum(f: FunctionBuilder, four: V128): Expression<"f32"> {
  const two = f.local("v128", f32x4.add(four, i32x4.shuffle(four, four, [2, 3, 0, 1])));
  return f32.add(f32x4.extractLane(two, 0), f32x4.extractLane(two, 1));
}
