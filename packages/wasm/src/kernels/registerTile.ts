/**
 * The innermost loop of matrix multiplication: a tile of `rows` × 4·`vectors` sums held in registers while k runs, as in
 * Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008).
 */
import type { Expression, FunctionBuilder, FunctionHandle, Local, ModuleBuilder, V128 } from "@weft/emitter";
import { f32x4, i32, v128 } from "@weft/emitter";

export interface TileShape {
  readonly rows: number;
  /** Columns / 4. */
  readonly vectors: number;
  /** Fused multiply-add. */
  readonly relaxed: boolean;
}

/** x·y + sum, fused when `relaxed`. */
export function multiplyAdd(relaxed: boolean, sum: V128, [x, y]: readonly [V128, V128]): V128 {
  return relaxed ? f32x4.relaxedMadd(x, y, sum) : f32x4.add(sum, f32x4.mul(x, y));
}

/** `rows` × `vectors` accumulators. */
export function tileAccumulators(f: FunctionBuilder, { rows, vectors }: TileShape): Local<"v128">[][] {
  return Array.from({ length: rows }, () => Array.from({ length: vectors }, () => f.local("v128")));
}

/** One step of k: every row's value times the vectors of the right side. */
export function tileStep(
  f: FunctionBuilder,
  shape: TileShape,
  step: {
    readonly sums: readonly (readonly Local<"v128">[])[];
    readonly left: (row: number) => V128;
    readonly right: (vector: number) => V128;
  },
): void {
  const right = Array.from({ length: shape.vectors }, (_, j) => f.local("v128", step.right(j)));
  const value = f.local("v128");
  step.sums.forEach((row, r) => {
    f.set(value, step.left(r));
    row.forEach((sum, j) => f.set(sum, multiplyAdd(shape.relaxed, sum, [value, right[j]!])));
  });
}

const unroll = 4;

/**
 * Defines tile(a, b, c, rowBytes, k, accumulate): c[r][j] = Σ a[k][r]·b[k][j], plus what c holds if `accumulate`. `a` and
 * `b` are packed panels (for each k the tile's rows or columns); rows of c lie `rowBytes` apart.
 */
export function defineTile(module: ModuleBuilder, shape: TileShape): FunctionHandle {
  const { rows, vectors } = shape;
  return module.function(["i32", "i32", "i32", "i32", "i32", "i32"], (f, [a, b, c, rowBytes, k, accumulate]) => {
    const sums = tileAccumulators(f, shape);
    const rowPointer = f.local("i32");
    f.if(accumulate, () => {
      f.set(rowPointer, c);
      for (const row of sums) {
        row.forEach((sum, j) => f.set(sum, v128.load(rowPointer, 16 * j)));
        f.increment(rowPointer, rowBytes);
      }
    });
    const steps = (count: number) => {
      for (let u = 0; u < count; u++) {
        tileStep(f, shape, {
          sums,
          left: (r) => v128.load32Splat(a, 4 * (u * rows + r)),
          right: (j) => v128.load(b, 16 * (u * vectors + j)),
        });
      }
      f.increment(a, 4 * rows * count);
      f.increment(b, 16 * vectors * count);
    };
    const end: Expression<"i32"> = f.i32(i32.sub(k, unroll - 1));
    const done = f.i32(0);
    f.for({ from: 0, to: end, step: unroll }, () => steps(unroll), done);
    f.for({ from: done, to: k }, () => steps(1), done);
    f.set(rowPointer, c);
    for (const row of sums) {
      row.forEach((sum, j) => f.storeV128(rowPointer, sum, 16 * j));
      f.increment(rowPointer, rowBytes);
    }
  });
}
