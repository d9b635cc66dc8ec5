/**
 * Matrix products without packing: a block of the result's sums waits in the scratch space, as vectors, while both sides are
 * read where they lie, a few terms of k at a time. Packing touches every element of the right side, which costs as much as
 * 10 rows of products; here [10,256]·[256,1024] takes half the time, and 128 rows 15 % less. The order of every sum depends
 * on k and the layout alone.
 */
import type { FunctionBuilder, Local } from "@weft/emitter";
import { f32, f32x4, i32, i32x4, minimum, ModuleBuilder, v128 } from "@weft/emitter";
import { defineRun } from "../defineRun.ts";
import type { KernelSource } from "../kernel.ts";
import { offsetOf, singleStride } from "./axes.ts";
import type { Contraction } from "./contraction.ts";
import { contractionKey } from "./contraction.ts";
import { tileAccumulators, tileStep } from "./registerTile.ts";

const fewestRows = 5;
const fewestColumns = 32;
/** Tiles wanted for threads. */
const enoughTiles = 16;

/** Strides are in elements. */
interface Streamed {
  readonly contraction: Contraction;
  /** Rows of the register tile. */
  readonly rows: number;
  /** Rows and columns of one tile. */
  readonly height: number;
  readonly width: number;
  readonly left: { readonly row: number; readonly inner: number };
  /** From one k, or one column, to the next; the other of the two is 1. */
  readonly rightStride: number;
  readonly relaxed: boolean;
}

/** The kernel, or undefined when there are too few rows or terms, or packing suits the layout better. */
export function streamedDot(
  contraction: Contraction,
  options: { readonly relaxed: boolean },
): KernelSource | undefined {
  const { lhs, rhs, batch, m, n } = contraction;
  const [row, inner] = [singleStride(lhs.outer), singleStride(lhs.inner)];
  const [rightOuter, rightInner] = [singleStride(rhs.outer), singleStride(rhs.inner)];
  if (m < fewestRows || n < fewestColumns) return undefined;
  if (row === undefined || inner === undefined || rightOuter === undefined || rightInner === undefined)
    return undefined;
  const along = rightOuter === 1 ? alongColumns : rightInner === 1 && inner === 1 ? alongInner : undefined;
  if (!along || !along.pays(contraction)) return undefined;
  const rows = Math.ceil(m / 5) * 5 <= Math.ceil(m / 4) * 4 ? 5 : 4;
  const rowBlocks = Math.ceil(m / along.rows);
  const height = Math.ceil(m / rowBlocks / rows) * rows;
  const parts = Math.max(1, Math.ceil(enoughTiles / (batch * rowBlocks)));
  const width = Math.min(along.width, Math.max(fewestColumns, Math.ceil(n / parts / 8) * 8));
  const rightStride = along === alongColumns ? rightInner : rightOuter;
  const shape: Streamed = {
    contraction,
    rows,
    height,
    width,
    left: { row, inner },
    rightStride,
    relaxed: options.relaxed,
  };
  return {
    key: `dotStreamed:${contractionKey(contraction)}`,
    build: () => build(shape, along),
    tiles: batch * Math.ceil(m / height) * Math.ceil(n / width),
    scratchBytes: sumBytes(shape, along),
  };
}

/** How one tile is computed: the kernel's two ways. */
interface Along {
  /** Columns of the register tile. */
  readonly columns: number;
  /** Vectors of unfinished sums for each row of the register tile. */
  readonly vectors: number;
  /** Whether the sums' way through memory, once for each block of terms, costs less than packing; by measurement. */
  readonly pays: (contraction: Contraction) => boolean;
  /** Rows of one tile, at most. */
  readonly rows: number;
  /** Columns of one tile, at most: as many terms of them as are added at once stay in the first cache, with their sums. */
  readonly width: number;
  /** Terms that are added before the next columns. */
  readonly block: number;
  /** Terms of `block` must be a multiple of this: the rest are added at the end. */
  readonly step: number;
  /** Adds `count` terms to the sums of one register tile. */
  readonly add: (f: FunctionBuilder, shape: Streamed, tile: RegisterTile) => void;
  /** Finishes sums that lie at `sums`, and writes them. */
  readonly finish: (
    f: FunctionBuilder,
    shape: Streamed,
    tile: RegisterTile & { readonly result: Local<"i32"> },
  ) => void;
}

interface RegisterTile {
  /** Rows of the left, and columns of the right side, at the first term; `count` terms follow. */
  readonly left: Local<"i32">;
  readonly right: Local<"i32">;
  readonly count: number;
  readonly sums: readonly (readonly Local<"v128">[])[];
}

/** Register tiles side by side; the last one overlaps its neighbour rather than be narrower. */
const stripsOf = (width: number, { columns }: Along) => Math.ceil(width / columns);

function sumBytes({ width, height }: Streamed, along: Along): number {
  return 16 * height * along.vectors * stripsOf(width, along);
}

function build(shape: Streamed, along: Along): ModuleBuilder {
  const { contraction, rows, height, width, left: leftStrides, rightStride } = shape;
  const { lhs, rhs, m, n, k } = contraction;
  const [rowBlocks, columnBlocks] = [Math.ceil(m / height), Math.ceil(n / width)];
  const columnStride = along === alongColumns ? 1 : rightStride;
  const innerStride = along === alongColumns ? rightStride : 1;
  const whole = k - (k % along.step);
  const module = new ModuleBuilder();
  return defineRun(module, 3, (f, [from, to, scratch, a, b, c]) => {
    const sums = tileAccumulators(f, { rows, vectors: along.vectors, relaxed: shape.relaxed });
    const [block, batch, sumsAt] = f.zeros(3);
    const [top, bottom, first, last] = f.zeros(4);
    const [leftAt, rightAt, left, right, result] = f.zeros(5);
    const [row, column, k0] = f.zeros(3);
    const moveSums = (load: boolean) =>
      sums.flat().forEach((sum, i) => {
        if (load) f.set(sum, v128.load(sumsAt, 16 * i));
        else f.storeV128(sumsAt, sum, 16 * i);
      });
    /** Every register tile of this tile in turn; the last row and column of them overlap their neighbours. */
    const forTiles = (write: () => void) => {
      f.set(sumsAt, scratch);
      f.for({ from: top, to: bottom, step: rows }, (r) => {
        f.set(row, minimum(r, m - rows));
        f.set(left, i32.add(leftAt, i32.add(i32.mul(row, 4 * leftStrides.row), i32.mul(k0, 4 * leftStrides.inner))));
        f.for({ from: first, to: last, step: along.columns }, (j) => {
          f.set(column, minimum(j, n - along.columns));
          f.set(right, i32.add(rightAt, i32.mul(column, 4 * columnStride)));
          f.set(right, i32.add(right, i32.mul(k0, 4 * innerStride)));
          write();
          f.increment(sumsAt, 16 * rows * along.vectors);
        });
      });
    };
    const addBlock = (count: number) =>
      forTiles(() => {
        moveSums(true);
        along.add(f, shape, { left, right, count, sums });
        moveSums(false);
      });
    f.for({ from, to }, (tile) => {
      // Tiles in turn read the same columns.
      f.set(top, i32.mul(i32.remU(tile, rowBlocks), height));
      f.set(bottom, minimum(m, i32.add(top, height)));
      f.set(block, i32.divU(tile, rowBlocks));
      f.set(first, i32.mul(i32.remU(block, columnBlocks), width));
      f.set(last, minimum(n, i32.add(first, width)));
      f.set(batch, i32.divU(block, columnBlocks));
      f.set(leftAt, i32.add(a, offsetOf(lhs.batch, batch)));
      f.set(rightAt, i32.add(b, offsetOf(rhs.batch, batch)));
      f.memoryFill(scratch, 0, sumBytes(shape, along));
      f.for({ from: 0, to: whole - (whole % along.block), step: along.block }, () => addBlock(along.block), k0);
      if (whole % along.block > 0) addBlock(whole % along.block);
      f.set(k0, i32.const(whole));
      forTiles(() => {
        moveSums(true);
        f.set(result, i32.add(c, i32.mul(i32.add(i32.mul(batch, m), row), 4 * n)));
        f.increment(result, i32.mul(column, 4));
        along.finish(f, shape, { left, right, count: k - whole, sums, result });
      });
    });
  });
}

/** Columns lie side by side: lanes are columns. A few rows of the right side are streamed at a time. */
const alongColumns: Along = {
  columns: 8,
  vectors: 2,
  pays: ({ m, k }) => k >= (m <= 64 ? 24 : 64),
  rows: 32,
  width: 256,
  block: 8,
  step: 1,
  add: (f, { rows, left: strides, rightStride, relaxed }, { left, right, count, sums }) => {
    for (let u = 0; u < count; u++) {
      tileStep(
        f,
        { rows, vectors: 2, relaxed },
        {
          sums,
          left: (r) => v128.load32Splat(left, 4 * (r * strides.row + u * strides.inner)),
          right: (j) => v128.load(right, 4 * u * rightStride + 16 * j),
        },
      );
    }
  },
  finish: (f, { contraction: { n } }, { sums, result }) =>
    sums.forEach((row, r) => row.forEach((sum, j) => f.storeV128(result, sum, 4 * r * n + 16 * j))),
};

const unroll = 2;

/** k lies side by side on both sides: lanes are neighbouring terms of one sum. */
const alongInner: Along = {
  columns: 2,
  vectors: 2,
  pays: ({ m, k }) => k >= (m <= 20 ? 64 : 128),
  rows: 16,
  // The processor fetches eight columns ahead at once; with two, [10,1024]·[256,1024]ᵀ from memory takes 1.5 times as long.
  width: 8,
  block: 64,
  step: 4,
  add: (f, { rows, left: strides, rightStride, relaxed }, { left, right, count, sums }) => {
    const [x, y] = [f.i32(left), f.i32(right)];
    const steps = (times: number) => {
      for (let u = 0; u < times; u++) {
        tileStep(
          f,
          { rows, vectors: 2, relaxed },
          {
            sums,
            left: (r) => v128.load(x, 4 * r * strides.row + 16 * u),
            right: (j) => v128.load(y, 4 * j * rightStride + 16 * u),
          },
        );
      }
      f.increment(x, 16 * times);
      f.increment(y, 16 * times);
    };
    const vectors = count / 4;
    f.for({ from: 0, to: Math.floor(vectors / unroll) }, () => steps(unroll));
    if (vectors % unroll > 0) steps(vectors % unroll);
  },
  finish: (f, { contraction: { n }, left: strides, rightStride }, { left, right, count, sums, result }) => {
    const total = f.local("f32");
    sums.forEach((row, r) =>
      row.forEach((sum, j) => {
        const halves = f.local("v128", f32x4.add(sum, i32x4.shuffle(sum, sum, [2, 3, 0, 1])));
        f.set(total, f32.add(f32x4.extractLane(halves, 0), f32x4.extractLane(halves, 1)));
        for (let u = 0; u < count; u++) {
          const [x, y] = [f32.load(left, 4 * (r * strides.row + u)), f32.load(right, 4 * (j * rightStride + u))];
          f.set(total, f32.add(total, f32.mul(x, y)));
        }
        f.storeF32(result, total, 4 * (r * n + j));
      }),
    );
  },
};
