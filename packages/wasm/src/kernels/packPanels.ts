/**
 * Packing one side of a matrix product into panels: for each k, `width` neighbouring rows (of the left side) or columns (of
 * the right side) lie together. Whatever the layout in memory, the register tile then reads both sides in order.
 *
 * Lanes past the last row or column hold leftovers: each affects only the result lane that is never stored.
 */
import type { Expression, FunctionBuilder, FunctionHandle, Local, ModuleBuilder, V128 } from "@weft/emitter";
import { f32, i32, i32x4, minimum, v128 } from "@weft/emitter";
import type { Axis } from "./axes.ts";
import { offsetOf, singleStride } from "./axes.ts";

/** How one side lies in memory: its rows (or columns), and k. */
export interface PanelSource {
  readonly outer: readonly Axis[];
  readonly inner: readonly Axis[];
}

type PackParams = readonly [
  to: Local<"i32">,
  base: Local<"i32">,
  first: Local<"i32">,
  count: Local<"i32">,
  k: Local<"i32">,
  kCount: Local<"i32">,
];

/**
 * Defines pack(to, base, first, count, k, kCount): rows first..first+count-1, contraction indices k..k+kCount-1. Panels
 * follow one another at kCount · width floats; up to three rows of a panel past the end are overwritten.
 */
export function definePack(module: ModuleBuilder, source: PanelSource, width: number): FunctionHandle {
  const outerStride = singleStride(source.outer);
  const innerStride = singleStride(source.inner);
  return module.function(["i32", "i32", "i32", "i32", "i32", "i32"], (f, params) => {
    if (outerStride === 1) packContiguous(f, params, { width, inner: source.inner });
    else if (innerStride === 1) packTransposed(f, params, { width, outer: source.outer });
    else packScalars(f, params, { width, source });
  });
}

/** Rows lie side by side: copies vectors. */
function packContiguous(
  f: FunctionBuilder,
  [to, base, first, count, k, kCount]: PackParams,
  { width, inner }: { width: number; inner: readonly Axis[] },
): void {
  const source = f.i32(i32.add(base, i32.mul(first, 4)));
  const [from, row, index] = [f.local("i32"), f.local("i32"), f.local("i32")];
  const innerStride = singleStride(inner);
  const copy = (vectors: number) => {
    if (innerStride !== undefined) f.set(row, i32.add(from, i32.mul(k, 4 * innerStride)));
    f.for({ from: 0, to: kCount }, (u) => {
      if (innerStride === undefined) {
        f.set(index, i32.add(k, u));
        f.set(row, i32.add(from, offsetOf(inner, index)));
      }
      for (let j = 0; j < vectors; j++) f.storeV128(to, v128.load(row, 16 * j), 16 * j);
      if (innerStride !== undefined) f.increment(row, 4 * innerStride);
      f.increment(to, 4 * width);
    });
  };
  // A panel whose last vectors would lie wholly past the end is copied without them.
  const copyNeeded = (vectors: number, rest: Expression<"i32">) => {
    if (vectors === 1) {
      copy(1);
      return;
    }
    f.if(
      i32.gtS(rest, 4 * (vectors - 1)),
      () => copy(vectors),
      () => copyNeeded(vectors - 1, rest),
    );
  };
  f.for({ from: 0, to: count, step: width }, (panel) => {
    f.set(from, i32.add(source, i32.mul(panel, 4)));
    copyNeeded(width / 4, i32.sub(count, panel));
  });
}

/** k lies side by side: transposes 4 × 4 blocks. Rows past the end repeat the last one. */
function packTransposed(
  f: FunctionBuilder,
  [to, base, first, count, k, kCount]: PackParams,
  { width, outer }: { width: number; outer: readonly Axis[] },
): void {
  const last = f.i32(i32.sub(count, 1));
  const source = f.i32(i32.add(base, i32.mul(k, 4)));
  const rows = Array.from({ length: width }, () => f.local("i32"));
  const row = f.local("i32");
  const target = f.local("i32");
  f.for({ from: 0, to: count, step: width }, (panel) => {
    rows.forEach((pointer, r) => {
      f.set(row, i32.add(panel, r));
      f.set(row, i32.add(first, minimum(row, last)));
      f.set(pointer, i32.add(source, offsetOf(outer, row)));
    });
    f.set(target, to);
    f.for({ from: 0, to: kCount, step: 4 }, () => {
      for (let group = 0; group < width; group += 4) {
        const columns = transpose4(
          f,
          rows.slice(group, group + 4).map((pointer) => v128.load(pointer)),
        );
        columns.forEach((column, u) => f.storeV128(target, column, 4 * (u * width + group)));
      }
      for (const pointer of rows) f.increment(pointer, 16);
      f.increment(target, 16 * width);
    });
    f.increment(to, i32.mul(kCount, 4 * width));
  });
}

type FourVectors = readonly [V128, V128, V128, V128];

/** The columns of the 4 × 4 matrix whose rows are given. */
export function transpose4(f: FunctionBuilder, rows: readonly V128[]): V128[] {
  const [a, b, c, d] = rows.map((row) => f.local("v128", row)) as unknown as FourVectors;
  const pairs = [
    [a, b, [0, 4, 1, 5]],
    [c, d, [0, 4, 1, 5]],
    [a, b, [2, 6, 3, 7]],
    [c, d, [2, 6, 3, 7]],
  ] as const;
  const [lowAb, lowCd, highAb, highCd] = pairs.map(([x, y, lanes]) =>
    f.local("v128", i32x4.shuffle(x, y, lanes)),
  ) as unknown as FourVectors;
  return [
    i32x4.shuffle(lowAb, lowCd, [0, 1, 4, 5]),
    i32x4.shuffle(lowAb, lowCd, [2, 3, 6, 7]),
    i32x4.shuffle(highAb, highCd, [0, 1, 4, 5]),
    i32x4.shuffle(highAb, highCd, [2, 3, 6, 7]),
  ];
}

/** Any layout, one element at a time. */
function packScalars(
  f: FunctionBuilder,
  [to, base, first, count, k, kCount]: PackParams,
  { width, source }: { width: number; source: PanelSource },
): void {
  const row = f.local("i32");
  const from = f.local("i32");
  const target = f.local("i32");
  const inner = f.local("i32");
  f.for({ from: 0, to: count }, (i) => {
    f.set(row, i32.add(first, i));
    f.set(from, i32.add(base, offsetOf(source.outer, row)));
    const panel = i32.mul(i32.divU(i, width), i32.mul(kCount, 4 * width));
    f.set(target, i32.add(to, i32.add(panel, i32.mul(i32.remU(i, width), 4))));
    f.for({ from: 0, to: kCount }, (u) => {
      f.set(inner, i32.add(k, u));
      f.storeF32(target, f32.load(i32.add(from, offsetOf(source.inner, inner))));
      f.increment(target, 4 * width);
    });
  });
}
