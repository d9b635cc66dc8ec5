/**
 * Matrix times a few vectors (m or n at most 4): nothing would be gained by packing, every element of the wide side is
 * used at most four times. The wide side is streamed along whichever of its axes lies side by side in memory.
 */
import type { Expression, FunctionBuilder, Local, V128 } from "@weft/emitter";
import { f32, f32x4, i32, minimum, ModuleBuilder, v128 } from "@weft/emitter";
import { defineRun } from "../defineRun.ts";
import type { KernelSource } from "../kernel.ts";
import { offsetOf, singleStride } from "./axes.ts";
import type { Contraction, ContractionSide } from "./contraction.ts";
import { contractionKey } from "./contraction.ts";
import { multiplyAdd } from "./registerTile.ts";

const thinLimit = 4;
/** Rows of the wide side in one tile: a multiple of every step below. */
const rowsPerTile = 96;

interface Thin {
  readonly wide: ContractionSide & { readonly outerStride: number; readonly innerStride: number };
  readonly thin: ContractionSide & { readonly outerStride: number; readonly innerStride: number };
  /** Rows of the wide and of the thin side. */
  readonly rows: number;
  readonly vectors: number;
  readonly k: number;
  /** Elements between results of neighbouring wide rows, and thin rows. */
  readonly rowStride: number;
  readonly vectorStride: number;
  readonly wideIsLeft: boolean;
  readonly relaxed: boolean;
}

/** The kernel, or undefined when the shape is not thin or its layout needs packing. */
export function thinDot(contraction: Contraction, options: { readonly relaxed: boolean }): KernelSource | undefined {
  const thin = thinOf(contraction, options.relaxed);
  if (!thin) return undefined;
  const rowsContiguous = thin.wide.innerStride !== 1;
  return {
    key: `dotThin:${contractionKey(contraction)}`,
    build: () => build(thin, rowsContiguous ? alongRows : alongInner),
    tiles: contraction.batch * Math.ceil(thin.rows / rowsPerTile),
    scratchBytes: rowsContiguous ? 0 : 4 * thin.vectors * thin.k,
  };
}

function thinOf({ lhs, rhs, m, n, k }: Contraction, relaxed: boolean): Thin | undefined {
  if (Math.min(m, n) > thinLimit) return undefined;
  const [wide, thin] = [n < m ? lhs : rhs, n < m ? rhs : lhs].map(({ batch, outer, inner }) => {
    const [outerStride, innerStride] = [singleStride(outer), singleStride(inner)];
    return outerStride === undefined || innerStride === undefined
      ? undefined
      : { batch, outer, inner, outerStride, innerStride };
  });
  if (!wide || !thin || (wide.innerStride !== 1 && wide.outerStride !== 1)) return undefined;
  const sizes =
    n < m
      ? { rows: m, vectors: n, rowStride: n, vectorStride: 1 }
      : { rows: n, vectors: m, rowStride: 1, vectorStride: n };
  return { wide, thin, ...sizes, k, wideIsLeft: n < m, relaxed };
}

/** One tile: wide rows first..last-1. */
interface Tile {
  readonly first: Local<"i32">;
  readonly last: Local<"i32">;
  readonly wide: Local<"i32">;
  readonly thin: Local<"i32">;
  readonly result: Local<"i32">;
  readonly scratch: Local<"i32">;
}

type WriteTile = (f: FunctionBuilder, thin: Thin, tile: Tile) => void;

function build(shape: Thin, writeTile: WriteTile): ModuleBuilder {
  const { rows, vectors } = shape;
  const blocks = Math.ceil(rows / rowsPerTile);
  const module = new ModuleBuilder();
  return defineRun(module, 3, (f, [from, to, scratch, a, b, c]) => {
    const [wideAt, thinAt] = shape.wideIsLeft ? [a, b] : [b, a];
    const [batch, first, last] = f.zeros(3);
    const [wide, thin, result] = f.zeros(3);
    f.for({ from, to }, (tile) => {
      f.set(batch, i32.divU(tile, blocks));
      f.set(first, i32.mul(i32.remU(tile, blocks), rowsPerTile));
      f.set(last, i32.add(first, rowsPerTile));
      f.set(last, minimum(last, rows));
      f.set(wide, i32.add(wideAt, offsetOf(shape.wide.batch, batch)));
      f.set(thin, i32.add(thinAt, offsetOf(shape.thin.batch, batch)));
      f.set(result, i32.add(c, i32.mul(batch, 4 * rows * vectors)));
      writeTile(f, shape, { first, last, wide, thin, result, scratch });
    });
  });
}

/** Wide rows lie side by side: lanes are rows. */
function alongRows(f: FunctionBuilder, shape: Thin, { first, last, wide, thin, result }: Tile): void {
  const { vectors, rowStride, vectorStride, k } = shape;
  const columns = [8, 4, 3, 2][vectors - 1] ?? 1;
  const [row, wideAt, thinAt] = f.zeros(3);
  const sums = Array.from({ length: columns }, () => Array.from({ length: vectors }, () => f.local("v128")));
  const x = f.local("v128");
  const block = (width: number) => {
    const used = sums.slice(0, width);
    for (const sum of used.flat()) f.set(sum, f32x4.splat(0));
    f.set(wideAt, i32.add(wide, i32.mul(row, 4)));
    f.set(thinAt, thin);
    f.for({ from: 0, to: k }, () => {
      const values = Array.from({ length: vectors }, (_, j) =>
        f.local("v128", v128.load32Splat(thinAt, 4 * j * shape.thin.outerStride)),
      );
      used.forEach((column, i) => {
        f.set(x, v128.load(wideAt, 16 * i));
        column.forEach((sum, j) => f.set(sum, multiplyAdd(shape.relaxed, sum, [x, values[j]!])));
      });
      f.increment(wideAt, 4 * shape.wide.innerStride);
      f.increment(thinAt, 4 * shape.thin.innerStride);
    });
    used.forEach((column, i) => {
      const count = i32.sub(last, i32.add(row, 4 * i));
      column.forEach((sum, j) => {
        const at = i32.add(result, i32.mul(i32.add(row, 4 * i), 4 * rowStride));
        storeLanes(f, i32.add(at, 4 * j * vectorStride), sum, { count, stride: 4 * rowStride });
      });
    });
  };
  f.for({ from: first, to: i32.sub(last, 4 * columns - 1), step: 4 * columns }, () => block(columns), row);
  f.for({ from: row, to: last, step: 4 }, () => block(1), row);
}

/** Stores the first `count` lanes (all, if there are more than 4) `stride` bytes apart. */
function storeLanes(
  f: FunctionBuilder,
  address: Expression<"i32">,
  value: V128,
  { count, stride }: { readonly count: Expression<"i32">; readonly stride: number },
): void {
  const at = f.local("i32", address);
  const rest = f.local("i32", count);
  const lane = (index: number) => f.storeLane32(at, value, { lane: index, offset: index * stride });
  f.if(
    i32.geS(rest, 4),
    () => {
      if (stride === 4) f.storeV128(at, value);
      else for (let index = 0; index < 4; index++) lane(index);
    },
    () => {
      for (let index = 0; index < 3; index++) f.if(i32.gtS(rest, index), () => lane(index));
    },
  );
}

/** k lies side by side: lanes are neighbouring terms of one sum. */
function alongInner(f: FunctionBuilder, shape: Thin, tile: Tile): void {
  const { vectors, k } = shape;
  const height = [8, 4, 2, 2][vectors - 1] ?? 1;
  const lastRow = f.i32(i32.sub(tile.last, 1));
  const thinAt = packThin(f, shape, tile);
  const sums = Array.from({ length: height }, () => Array.from({ length: vectors }, () => f.local("v128")));
  const rows = Array.from({ length: height }, () => f.local("i32"));
  const pointers = Array.from({ length: height }, () => f.local("i32"));
  const [position, x, total] = [f.local("i32"), f.local("v128"), f.local("f32")];
  f.for({ from: tile.first, to: tile.last, step: height }, (first) => {
    rows.forEach((row, r) => {
      // Rows past the end repeat the last one.
      f.set(row, i32.add(first, r));
      f.set(row, minimum(row, lastRow));
      f.set(pointers[r]!, i32.add(tile.wide, i32.mul(row, 4 * shape.wide.outerStride)));
    });
    for (const sum of sums.flat()) f.set(sum, f32x4.splat(0));
    f.set(position, thinAt.start);
    f.for({ from: 0, to: Math.floor(k / 4) }, () => {
      const values = Array.from({ length: vectors }, (_, j) =>
        f.local("v128", v128.load(position, 4 * j * thinAt.stride)),
      );
      sums.forEach((row, r) => {
        f.set(x, v128.load(pointers[r]!));
        row.forEach((sum, j) => f.set(sum, multiplyAdd(shape.relaxed, sum, [x, values[j]!])));
        f.increment(pointers[r]!, 16);
      });
      f.increment(position, 16);
    });
    sums.forEach((row, r) =>
      row.forEach((sum, j) => {
        f.set(total, sumOfLanes(sum));
        for (let rest = 0; rest < k % 4; rest++) {
          const y = f32.load(position, 4 * (j * thinAt.stride + rest));
          f.set(total, f32.add(total, f32.mul(f32.load(pointers[r]!, 4 * rest), y)));
        }
        const at = i32.add(tile.result, i32.mul(rows[r]!, 4 * shape.rowStride));
        f.storeF32(at, total, 4 * j * shape.vectorStride);
      }),
    );
  });
}

/** The thin side with k side by side: where it is, or gathered into the scratch space. */
function packThin(
  f: FunctionBuilder,
  { vectors, k, thin: { outerStride, innerStride } }: Thin,
  { thin, scratch }: Tile,
): { readonly start: Expression<"i32">; readonly stride: number } {
  if (innerStride === 1) return { start: thin, stride: outerStride };
  f.for({ from: 0, to: k }, (index) => {
    for (let j = 0; j < vectors; j++) {
      const from = i32.add(thin, i32.mul(index, 4 * innerStride));
      f.storeF32(i32.add(scratch, i32.mul(index, 4)), f32.load(from, 4 * j * outerStride), 4 * j * k);
    }
  });
  return { start: scratch, stride: k };
}

const sumOfLanes = (x: V128): Expression<"f32"> => {
  const lane = (index: number) => f32x4.extractLane(x, index);
  return f32.add(f32.add(lane(0), lane(1)), f32.add(lane(2), lane(3)));
};
