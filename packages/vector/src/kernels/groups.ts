/** What the SIMD kernels of codecs with scales share: statistics of a group of values, and its scale. */
import type { Expression, FunctionBuilder, Local, V128 } from "@weft/emitter";
import { f32, f32x4, i32, i32x4, select, v128 } from "@weft/emitter";

export type I32Expression = Expression<"i32">;

/** Where nothing is to be written. */
export const nowhere = -1;

/** Not by its sign, which addresses in the upper half of a memory have too. */
export const isSomewhere = (address: I32Expression): I32Expression => i32.eqz(i32.eq(address, nowhere));

/** Byte offsets of the four vectors of a turn. */
export const quads = [0, 16, 32, 48];

/** All bits but the sign, in a local: an engine makes a constant anew wherever it stands, in a loop at every turn. */
export const magnitudeMask = (f: FunctionBuilder): Local<"v128"> => f.initialLocal("v128", i32x4.splat(0x7fffffff));

/** The largest of all lanes, as signed integers; none is below 0. */
export function largestLane(f: FunctionBuilder, vectors: readonly V128[]): I32Expression {
  const four = f.local(
    "v128",
    vectors.reduce<V128>((x, y) => i32x4.maxS(x, y), i32x4.splat(0)),
  );
  const two = f.local("v128", i32x4.maxS(four, i32x4.shuffle(four, four, [2, 3, 0, 1])));
  return i32x4.extractLane(i32x4.maxS(two, i32x4.shuffle(two, two, [1, 0, 3, 2])), 0);
}

/** The bf16 nearest to the f32, or 0 where its reciprocal would not be finite. */
export function scaleBits(f: FunctionBuilder, scale: Expression<"f32">): I32Expression {
  const wanted = f.local("i32", i32.reinterpretF32(scale));
  const rounded = i32.shrU(i32.add(i32.add(wanted, 0x7fff), i32.and(i32.shrU(wanted, 16), 1)), 16);
  return select(i32.ltS(wanted, 0x00800000), i32.const(0), rounded);
}

/** The f32 of a scale in memory. */
export const scaleAt = (address: I32Expression): Expression<"f32"> =>
  f32.reinterpretI32(i32.shl(i32.load16U(address), 16));

/** Sixteen sums side by side added up, in the order of `sumOfLanes` in `codec/laneSums.ts`. */
export function sumOfLanes(f: FunctionBuilder, sums: readonly Local<"v128">[]): Expression<"f32"> {
  const [a, b, c, d] = sums;
  const four = f.local("v128", f32x4.add(f32x4.add(a!, b!), f32x4.add(c!, d!)));
  const two = f.local("v128", f32x4.add(four, i32x4.shuffle(four, four, [2, 3, 0, 1])));
  return f32.add(f32x4.extractLane(two, 0), f32x4.extractLane(two, 1));
}

/** Four locals of zeros, set so here: they may be left over from the last turn of a loop. */
export function zeros(f: FunctionBuilder): Local<"v128">[] {
  return quads.map(() => {
    const sum = f.local("v128");
    f.set(sum, i32x4.splat(0));
    return sum;
  });
}

/** The four vectors of sixteen values, in locals. */
export const sixteen = (f: FunctionBuilder, address: I32Expression): Local<"v128">[] =>
  quads.map((offset) => f.local("v128", v128.load(address, offset)));

/** Where a kernel finds what is encoded. */
export interface Given {
  readonly values: I32Expression;
  /** To be added to the values first, in place; undefined where nothing is. */
  readonly owed: I32Expression | undefined;
  /** As `magnitudeMask` gives it. */
  readonly mask: V128;
}

/** The magnitudes of sixteen values from byte `at` on, whose sums with what is owed take their place. */
export function settled(
  f: FunctionBuilder,
  { values, owed, mask }: Given,
  at: I32Expression,
): { readonly values: readonly V128[]; readonly magnitudes: readonly V128[] } {
  const address = f.local("i32", i32.add(values, at));
  const own = sixteen(f, address);
  if (owed !== undefined) {
    const more = f.local("i32", i32.add(owed, at));
    for (const [q, x] of own.entries()) {
      f.set(x, f32x4.add(x, v128.load(more, quads[q])));
      f.storeV128(address, x, quads[q]);
    }
  }
  return { values: own, magnitudes: own.map((x) => f.local("v128", v128.and(x, mask))) };
}

/** largest = the larger of the two, as the bits of sums of magnitudes; NaN is larger than infinity. */
export function raiseBits(f: FunctionBuilder, largest: Local<"i32">, sum: I32Expression): void {
  // An engine may give the NaN of a sum a sign.
  const bits = f.local("i32", i32.and(sum, 0x7fffffff));
  f.set(largest, select(i32.gtS(bits, largest), bits, largest));
}

/** The sign bit in every lane, but no bit where the scale is 0: zeros have no sign. */
export const signsOf = (f: FunctionBuilder, scale: I32Expression): Local<"v128"> =>
  f.local("v128", i32x4.splat(select(i32.load16U(scale), i32.const(0x80000000 | 0), i32.const(0))));
