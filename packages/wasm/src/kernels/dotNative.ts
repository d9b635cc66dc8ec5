/** Products that go to native BLAS: which ones, and how one is divided into calls. */
import type { MatrixPlace, NativeKernel, Product } from "../native/products.ts";
import type { Axis } from "./axes.ts";
import { singleStride } from "./axes.ts";
import type { Contraction, ContractionSide } from "./contraction.ts";
import { contractionKey } from "./contraction.ts";

export interface NativeOptions {
  /** How many threads divide the work. */
  readonly threads: number;
}

/** Multiplications in one product below which the WebAssembly kernel is as fast. */
export const fewestMultiplications = 4096;
/** Products in one batch beyond which the list of them would grow long. */
const longestBatch = 4096;

/** The kernel, or undefined when the products are small or lie in memory as BLAS cannot read them. */
export function nativeDot(contraction: Contraction, { threads }: NativeOptions): NativeKernel | undefined {
  const { lhs, rhs, batch, m, n, k } = contraction;
  if (m * n * k < fewestMultiplications || batch > longestBatch) return undefined;
  const left = matrixOf(lhs.outer, lhs.inner, [m, k]);
  const right = matrixOf(rhs.inner, rhs.outer, [k, n]);
  if (!left || !right) return undefined;
  const whole: Product = {
    m,
    n,
    k,
    left: { ...left, pointer: 0, offset: 0 },
    right: { ...right, pointer: 1, offset: 0 },
    out: { pointer: 2, offset: 0, stride: n },
    accumulate: false,
  };
  const tiles = offsetsOf([lhs, rhs], batch).flatMap(([leftOffset, rightOffset], i) =>
    divide(
      {
        ...whole,
        left: moved(whole.left, leftOffset),
        right: moved(whole.right, rightOffset),
        out: moved(whole.out, 4 * i * m * n),
      },
      batch >= threads ? 1 : threads,
    ),
  );
  return {
    key: `dotNative:${threads}:${contractionKey(contraction)}`,
    tiles: tiles.length,
    scratchBytes: 0,
    products: tiles.map((product) => [product]),
  };
}

const moved = <P extends MatrixPlace>(place: P, bytes: number): P => ({ ...place, offset: place.offset + bytes });

interface Layout {
  readonly stride: number;
  readonly transposed: boolean;
}

/** Rows and columns as BLAS takes them: one of the two must lie side by side. */
function matrixOf(
  rows: readonly Axis[],
  columns: readonly Axis[],
  [rowCount, columnCount]: readonly [number, number],
): Layout | undefined {
  const [rowStride, columnStride] = [singleStride(rows), singleStride(columns)];
  if (rowStride === undefined || columnStride === undefined) return undefined;
  if (columnCount === 1 || columnStride === 1) {
    const stride = rowCount === 1 ? columnCount : rowStride;
    if (stride >= columnCount) return { stride, transposed: false };
  }
  if (rowCount === 1 || rowStride === 1) {
    const stride = columnCount === 1 ? rowCount : columnStride;
    if (stride >= rowCount) return { stride, transposed: true };
  }
  return undefined;
}

/** Bytes from each side's beginning to its matrix, for each in the batch. */
function offsetsOf(sides: readonly [ContractionSide, ContractionSide], batch: number): [number, number][] {
  const offset = (axes: readonly Axis[], index: number) =>
    axes.reduceRight(
      ({ rest, sum }, { size, stride }) => ({
        rest: Math.floor(rest / size),
        sum: sum + (rest % size) * stride * 4,
      }),
      { rest: index, sum: 0 },
    ).sum;
  return Array.from({ length: batch }, (_, i) => [offset(sides[0].batch, i), offset(sides[1].batch, i)]);
}

/**
 * OpenBLAS multiplies up to a million elements without packing its operands, at twice the speed when one side is a few rows;
 * what is larger it packs whole for every call, however few rows the other side has.
 */
const unpacked = 1e6;
const fewRows = 32;
const blockColumns = 64;

/** Divides a product into blocks of columns, or rows, of its result. */
function divide(product: Product, parts: number): Product[] {
  const { m, n, k } = product;
  if (m <= fewRows && m * blockColumns * k <= unpacked && n > blockColumns) return columnBlocks(product, blockColumns);
  if (n <= fewRows && n * blockColumns * k <= unpacked && m > blockColumns) return rowBlocks(product, blockColumns);
  if (parts === 1 || m * n * k < unpacked) return [product];
  const share = (size: number) => Math.ceil(size / parts / 16) * 16;
  return n >= m ? columnBlocks(product, share(n)) : rowBlocks(product, share(m));
}

function columnBlocks(product: Product, width: number): Product[] {
  const { right, out, n } = product;
  return starts(n, width).map((first) => ({
    ...product,
    n: Math.min(width, n - first),
    right: moved(right, 4 * first * (right.transposed ? right.stride : 1)),
    out: moved(out, 4 * first),
  }));
}

function rowBlocks(product: Product, height: number): Product[] {
  const { left, out, m } = product;
  return starts(m, height).map((first) => ({
    ...product,
    m: Math.min(height, m - first),
    left: moved(left, 4 * first * (left.transposed ? 1 : left.stride)),
    out: moved(out, 4 * first * out.stride),
  }));
}

const starts = (size: number, step: number) => Array.from({ length: Math.ceil(size / step) }, (_, i) => i * step);
