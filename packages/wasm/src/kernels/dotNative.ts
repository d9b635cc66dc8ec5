/** Products that go to native BLAS: which ones, and how one is divided into calls. */
import type { MatrixPlace, NativeKernel, Product } from "../native/products.ts";
import type { Axis } from "./axes.ts";
import { sizeOfAxes } from "./axes.ts";
import type { Contraction } from "./contraction.ts";
import { contractionKey } from "./contraction.ts";

export interface NativeOptions {
  /** Products of any size are taken, also where WebAssembly is faster. */
  readonly all?: boolean | undefined;
}

/** Multiplications in one product below which the WebAssembly kernel is as fast, as it is for one or two vectors. */
const fewestMultiplications = 2 ** 14;
const fewestVectors = 3;
/** Products beyond which the list of them would grow long. */
const longestList = 4096;

/** The kernel, or undefined when the products are small or lie in memory as BLAS cannot read them. */
export function nativeDot(contraction: Contraction, { all = false }: NativeOptions): NativeKernel | undefined {
  const { lhs, rhs, batch, n } = contraction;
  const depth = refine(lhs.inner, rhs.inner);
  if (!depth) return undefined;
  const [rowAxes, row] = splitLast(lhs.outer);
  const [columnAxes, column] = splitLast(rhs.outer);
  const [m, width, k] = [row.size, column.size, depth.size];
  const isSmall = m * width * k < fewestMultiplications || Math.min(m, width) < fewestVectors;
  const blocks = sizeOfAxes(rowAxes) * sizeOfAxes(columnAxes);
  const count = batch * blocks * depth.left.length;
  if ((isSmall && !all) || count > longestList || count * m * width * k === 0) return undefined;
  const left = matrixOf(row, { size: k, stride: depth.leftStride });
  const right = matrixOf({ size: k, stride: depth.rightStride }, column);
  if (!left || !right) return undefined;
  const whole: Product = {
    m,
    n: width,
    k,
    left: { ...left, pointer: 0, offset: 0 },
    right: { ...right, pointer: 1, offset: 0 },
    out: { pointer: 2, offset: 0, stride: n },
    accumulate: false,
  };
  const rows = offsetsOf(rowAxes);
  const columns = offsetsOf(columnAxes);
  const [lefts, rights] = [offsetsOf(lhs.batch), offsetsOf(rhs.batch)];
  const tiles = lefts.flatMap((leftOffset, b) =>
    rows.flatMap((rowOffset, r) =>
      columns.flatMap((columnOffset, c) => {
        const out = 4 * ((b * rows.length + r) * m * n + c * width);
        const block: Product = {
          ...whole,
          left: moved(whole.left, leftOffset + rowOffset),
          right: moved(whole.right, rights[b]! + columnOffset),
          out: moved(whole.out, out),
        };
        return divide(block).map((products) => alongDepth(products, depth));
      }),
    ),
  );
  return {
    key: `dotNative:${contractionKey(contraction)}`,
    tiles: tiles.length,
    scratchBytes: 0,
    products: tiles,
  };
}

/** The contracted axes: the last of them is a product's own, the others are summed over by adding products. */
interface Depth {
  readonly size: number;
  readonly leftStride: number;
  readonly rightStride: number;
  /** Bytes from each operand's beginning to its part of each product. */
  readonly left: readonly number[];
  readonly right: readonly number[];
}

/** Divides the axes of both sides so that they step together; undefined where their sizes do not divide. */
function refine(left: readonly Axis[], right: readonly Axis[]): Depth | undefined {
  const sides: readonly [Axis[], Axis[]] = [[...left], [...right]];
  const parts: [left: Axis, right: Axis][] = [];
  const one: Axis = { size: 1, stride: 1 };
  while (sides[0].length + sides[1].length > 0) {
    const ends = [sides[0].pop() ?? one, sides[1].pop() ?? one] as const;
    const size = Math.min(ends[0].size, ends[1].size);
    for (const [side, end] of ends.entries()) {
      if (end.size % size !== 0) return undefined;
      if (end.size > size) sides[side]!.push({ size: end.size / size, stride: end.stride * size });
    }
    parts.unshift([
      { size, stride: ends[0].stride },
      { size, stride: ends[1].stride },
    ]);
  }
  const [own, ownRight] = parts.pop() ?? [one, one];
  return {
    size: own.size,
    leftStride: own.stride,
    rightStride: ownRight.stride,
    left: offsetsOf(parts.map(([axis]) => axis)),
    right: offsetsOf(parts.map(([, axis]) => axis)),
  };
}

function alongDepth(products: readonly Product[], { left, right }: Depth): Product[] {
  return left.flatMap((offset, i) =>
    products.map((product) => ({
      ...product,
      left: moved(product.left, offset),
      right: moved(product.right, right[i]!),
      accumulate: product.accumulate || i > 0,
    })),
  );
}

function splitLast(axes: readonly Axis[]): [leading: readonly Axis[], last: Axis] {
  return [axes.slice(0, -1), axes.at(-1) ?? { size: 1, stride: 1 }];
}

const moved = <P extends MatrixPlace>(place: P, bytes: number): P => ({ ...place, offset: place.offset + bytes });

interface Layout {
  readonly stride: number;
  readonly transposed: boolean;
}

/** Rows and columns as BLAS takes them: one of the two must lie side by side. */
function matrixOf(rows: Axis, columns: Axis): Layout | undefined {
  if (columns.size === 1 || columns.stride === 1) {
    const stride = rows.size === 1 ? columns.size : rows.stride;
    if (stride >= columns.size) return { stride, transposed: false };
  }
  if (rows.size === 1 || rows.stride === 1) {
    const stride = columns.size === 1 ? rows.size : columns.stride;
    if (stride >= rows.size) return { stride, transposed: true };
  }
  return undefined;
}

/** Bytes to each element of the axes, outermost first. */
function offsetsOf(axes: readonly Axis[]): number[] {
  return axes.reduce<number[]>(
    (offsets, { size, stride }) =>
      offsets.flatMap((offset) => Array.from({ length: size }, (_, i) => offset + 4 * i * stride)),
    [0],
  );
}

/**
 * OpenBLAS packs its operands whole before it multiplies, unless the product is small. Where one axis is short that costs as
 * much as the product itself; dividing it into small ones gains a factor of 1.3 to 2.9.
 */
const shortAxis = 32;
const blockLength = 64;
const smallProduct = 2 ** 19;

/** Divides a product into blocks of its result, and those into parts of k: the products of each tile. */
function divide(product: Product): Product[][] {
  const { m, n, k } = product;
  const blocks = (length: number) => (n >= m ? columnBlocks(product, length) : rowBlocks(product, length));
  if (m * n * k < smallProduct) return [[product]];
  if (Math.min(m, n, k) <= shortAxis) {
    const depth = Math.max(blockLength, Math.floor(smallProduct / (blockLength * Math.min(m, n))));
    return blocks(blockLength).map((block) => depthBlocks(block, depth));
  }
  return blocks(partLength(Math.max(m, n))).map((block) => [block]);
}

/**
 * Parts for threads: two, or four of an axis of 1024, and so on. Their number must not depend on that of the threads, since
 * the bits of a product depend on how it is divided; and the other operand is packed for each, at 3 to 7 % of the time.
 */
function partLength(length: number): number {
  const parts = length < 256 ? 1 : Math.max(2, 2 ** Math.floor(Math.log2(length / 256)));
  return Math.ceil(length / Math.min(parts, 16) / 16) * 16;
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

function depthBlocks(product: Product, depth: number): Product[] {
  const { left, right, k } = product;
  return starts(k, depth).map((first) => ({
    ...product,
    k: Math.min(depth, k - first),
    left: moved(left, 4 * first * (left.transposed ? left.stride : 1)),
    right: moved(right, 4 * first * (right.transposed ? 1 : right.stride)),
    accumulate: first > 0,
  }));
}

const starts = (size: number, step: number) => Array.from({ length: Math.ceil(size / step) }, (_, i) => i * step);
