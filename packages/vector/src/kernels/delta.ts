/**
 * SIMD kernels of deltas, for whole groups: the bytes of the plain loops in `codec/delta.ts`. Units lie side by side in lanes; two
 * lanes become one of twice the width by a shift that is the same for all, until lanes are full words of bits.
 */
import type { Expression, FunctionBuilder, Local, ModuleBuilder, V128 } from "@weft/emitter";
import { i16x8, i32, i32x4, i64x2, i8x16, v128 } from "@weft/emitter";

type I32Expression = Expression<"i32">;

export type UnitBits = 4 | 8 | 16 | 32;

/** Differences that share a width, which takes a byte. */
export const groupUnits = 32;

export interface Units {
  readonly bits: UnitBits;
  /** Floats are compared in the order of their values. */
  readonly isFloat: boolean;
}

/** Those that encodings consist of. */
export const unitKinds: readonly Units[] = [
  ...[4, 8, 16].map((bits) => ({ bits: bits as UnitBits, isFloat: false })),
  ...[16, 32].map((bits) => ({ bits: bits as UnitBits, isFloat: true })),
];

/** Names of the kernels of such units. */
export const packName = ({ bits, isFloat }: Units) => `pack${bits}${isFloat ? "Floats" : ""}` as const;
export const unpackName = ({ bits, isFloat }: Units) => `unpack${bits}${isFloat ? "Floats" : ""}` as const;

/** name(from, to, delta, groups) → where the delta ends; some bytes behind that are overwritten. */
export function addPack(module: ModuleBuilder, units: Units): void {
  const bytes = (groupUnits * units.bits) / 8;
  module.function(
    ["i32", "i32", "i32", "i32"],
    (f, [from, to, delta, groups]) => {
      f.for({ from: 0, to: groups }, () => {
        const old = unitsAt(f, from, units);
        const differences = unitsAt(f, to, units).map((unit, i) => zigzag(f, unit, { from: old[i]!, units }));
        const width = widthOf(f, lanesOf(units), differences);
        f.storeI8(delta, width);
        f.increment(delta, 1);
        f.if(width, () => {
          packers[lanesOf(units)](f, { differences, width, delta });
        });
        f.increment(delta, i32.shl(width, 2));
        f.increment(from, bytes);
        f.increment(to, bytes);
      });
      f.return(delta);
    },
    { export: packName(units), result: "i32" },
  );
}

/**
 * name(from, to, delta, end, groups) → where the groups end in the delta, or -1 less the place of one that passes `end` or is
 * wider than its units; bytes behind the end may be looked at.
 */
export function addUnpack(module: ModuleBuilder, units: Units): void {
  const bytes = (groupUnits * units.bits) / 8;
  module.function(
    ["i32", "i32", "i32", "i32", "i32"],
    (f, [from, to, delta, end, groups]) => {
      const width = f.local("i32");
      f.for({ from: 0, to: groups }, () => {
        f.if(i32.leS(end, delta), () => f.return(i32.sub(-1, delta)));
        f.set(width, i32.load8U(delta));
        const next = f.local("i32", i32.add(i32.add(delta, 1), i32.shl(width, 2)));
        f.if(i32.ltS(units.bits, width), () => f.return(i32.sub(-1, delta)));
        f.if(i32.ltS(end, next), () => f.return(i32.sub(-1, delta)));
        f.increment(delta, 1);
        const old = unitsAt(f, from, units);
        const differences = unpackers[lanesOf(units)](f, { width, delta });
        const sums = differences.map((difference, i) => unzigzag(f, difference, { from: old[i]!, units }));
        storeUnits(f, to, { sums, units });
        f.set(delta, next);
        f.increment(from, bytes);
        f.increment(to, bytes);
      });
      f.return(delta);
    },
    { export: unpackName(units), result: "i32" },
  );
}

type Lanes = 8 | 16 | 32;
const lanesOf = ({ bits }: Units): Lanes => (bits === 4 ? 8 : bits);

/** Of lanes of so many bits. */
const arithmetic = {
  8: {
    add: i8x16.add,
    sub: i8x16.sub,
    /** All bits of negative lanes. */
    signs: (x: V128) => i8x16.ltS(x, i8x16.splat(0)),
    halved: (x: V128) => v128.and(i16x8.shrU(x, 1), i8x16.splat(0x7f)),
    one: i8x16.splat(1),
  },
  16: {
    ...{ add: i16x8.add, sub: i16x8.sub, signs: (x: V128) => i16x8.shrS(x, 15) },
    ...{ halved: (x: V128) => i16x8.shrU(x, 1), one: i32x4.splat(0x00010001) },
  },
  32: {
    ...{ add: i32x4.add, sub: i32x4.sub, signs: (x: V128) => i32x4.shrS(x, 31) },
    ...{ halved: (x: V128) => i32x4.shrU(x, 1), one: i32x4.splat(1) },
  },
};

/** A group's units, in lanes of `lanesOf`; floats in the order of their values. */
function unitsAt(f: FunctionBuilder, address: I32Expression, units: Units): Local<"v128">[] {
  const { bits } = units;
  if (bits === 4) {
    const pairs = f.local("v128", v128.load(address));
    const nibble = i8x16.splat(15);
    const low = f.local("v128", v128.and(pairs, nibble));
    const high = f.local("v128", v128.and(i16x8.shrU(pairs, 4), nibble));
    return [0, 8].map((first) => f.local("v128", i8x16.shuffle(low, high, interleaved(first))));
  }
  return Array.from({ length: (groupUnits * bits) / 128 }, (_, i) => {
    const unit = f.local("v128", v128.load(address, 16 * i));
    if (units.isFloat) f.set(unit, inOrder(unit, units));
    return unit;
  });
}

/** Bytes from `first` on of one vector and the other by turns. */
const interleaved = (first: number) => Array.from({ length: 16 }, (_, i) => first + (i >> 1) + 16 * (i & 1));

/** Between floats and integers in the same order: all bits but the sign of negative ones are flipped. */
function inOrder(x: V128, units: Units): V128 {
  const { signs, halved } = arithmetic[lanesOf(units)];
  return v128.xor(x, halved(signs(x)));
}

interface Beside {
  readonly from: V128;
  readonly units: Units;
}

/** The signed difference modulo 2^bits, its sign as the lowest bit. */
function zigzag(f: FunctionBuilder, unit: V128, { from, units }: Beside): Local<"v128"> {
  const { add, sub, signs } = arithmetic[lanesOf(units)];
  const difference = f.local("v128", sub(unit, from));
  const doubled = add(difference, difference);
  if (units.bits !== 4) return f.local("v128", v128.xor(doubled, signs(difference)));
  // The sign of a nibble is brought to where a byte has its own.
  return f.local("v128", v128.and(v128.xor(doubled, signs(i16x8.shl(difference, 4))), i8x16.splat(15)));
}

function unzigzag(f: FunctionBuilder, difference: V128, { from, units }: Beside): Local<"v128"> {
  const { add, sub, halved, one } = arithmetic[lanesOf(units)];
  const signs = sub(i32x4.splat(0), v128.and(difference, one));
  const sum = f.local("v128", add(from, v128.xor(halved(difference), signs)));
  return units.isFloat ? f.local("v128", inOrder(sum, units)) : sum;
}

function storeUnits(
  f: FunctionBuilder,
  address: I32Expression,
  { sums, units }: { readonly sums: readonly V128[]; readonly units: Units },
): void {
  if (units.bits !== 4) {
    for (const [i, sum] of sums.entries()) f.storeV128(address, sum, 16 * i);
    return;
  }
  const [low, high] = sums.map((sum) => {
    return v128.or(v128.and(sum, i32x4.splat(0x000f000f)), v128.and(i16x8.shrU(sum, 4), i32x4.splat(0x00f000f0)));
  });
  f.storeV128(address, i8x16.narrowI16x8U(low!, high!));
}

/** Bits of the widest lane. */
function widthOf(f: FunctionBuilder, lanes: Lanes, differences: readonly Local<"v128">[]): Local<"i32"> {
  const [first, ...others] = differences;
  const all = f.local(
    "v128",
    others.reduce<V128>((x, y) => v128.or(x, y), first!),
  );
  const half = f.local("v128", v128.or(all, i32x4.shuffle(all, all, [2, 3, 0, 1])));
  const bits = f.local("i32", i32.or(i32x4.extractLane(half, 0), i32x4.extractLane(half, 1)));
  for (let further = 16; further >= lanes; further /= 2) f.set(bits, i32.or(bits, i32.shrU(bits, further)));
  return f.local("i32", i32.sub(32, i32.clz(lanes === 32 ? bits : i32.and(bits, 2 ** lanes - 1))));
}

interface Packing {
  readonly differences: readonly Local<"v128">[];
  /** Above 0. */
  readonly width: Local<"i32">;
  readonly delta: I32Expression;
}

const shifts = { 16: i16x8, 32: i32x4, 64: i64x2 } as const;
/** The lower half of lanes of so many bits. */
const lowerHalf = { 16: [0x00ff00ff, 0x00ff00ff], 32: [0xffff, 0xffff], 64: [-1, 0] } as const;

/** Lanes of `size` bits from two of half as many, of which each holds `width`. */
function joined(f: FunctionBuilder, x: V128, { size, width }: { size: 16 | 32 | 64; width: I32Expression }) {
  const { shl, shrU } = shifts[size];
  const lower = v128.and(x, i32x4.const([...lowerHalf[size], ...lowerHalf[size]]));
  return f.local("v128", v128.or(lower, shl(shrU(x, i32.const(size / 2)), width)));
}

/** The other way, whatever is above what the lanes hold. */
function divided(f: FunctionBuilder, x: V128, { size, width }: { size: 16 | 32 | 64; width: I32Expression }) {
  const { shl, shrU } = shifts[size];
  const above = f.local("v128", shl(i32x4.splat(-1), width));
  const upper = v128.andNot(shrU(x, width), above);
  return f.local("v128", v128.or(v128.andNot(x, above), shl(upper, i32.const(size / 2))));
}

const times = (width: I32Expression, count: number) => i32.mul(width, count);

const packers: { readonly [L in Lanes]: (f: FunctionBuilder, packing: Packing) => void } = {
  /** Eight units take as many bytes as their width has bits. */
  8(f, { differences, width, delta }) {
    for (const [i, difference] of differences.entries()) {
      const pairs = joined(f, difference, { size: 16, width });
      const fours = joined(f, pairs, { size: 32, width: i32.shl(width, 1) });
      const eights = joined(f, fours, { size: 64, width: i32.shl(width, 2) });
      for (const lane of [0, 1]) f.storeLane64(i32.add(delta, times(width, 2 * i + lane)), eights, { lane });
    }
  },

  /** Four units end in the middle of a byte where their width is odd. */
  16(f, { differences, width, delta }) {
    const isOdd = f.local("i32", i32.and(width, 1));
    const odd = f.local("v128", i32x4.splat(i32.sub(0, isOdd)));
    for (const [i, difference] of differences.entries()) {
      const pairs = joined(f, difference, { size: 32, width });
      const fours = joined(f, pairs, { size: 64, width: i32.shl(width, 1) });
      const lastBits = f.local("v128", i64x2.shrU(fours, i32.sub(i32.shl(width, 2), 4)));
      const before = v128.and(i32x4.shuffle(lastBits, lastBits, [2, 3, 0, 1]), odd);
      const second = f.local("v128", v128.or(i64x2.shl(fours, i32.shl(isOdd, 2)), before));
      const at = f.local("i32", i32.add(delta, times(width, i)));
      f.storeLane64(at, fours, { lane: 0 });
      f.storeLane64(i32.add(at, i32.shrU(width, 1)), second, { lane: 1 });
    }
  },

  32(f, { differences, width, delta }) {
    const [at, filled, waiting] = [f.local("i32"), f.local("i32"), f.local("v128")];
    f.set(at, delta);
    f.set(filled, i32.const(0));
    f.set(waiting, i32x4.splat(0));
    /** Of the lower lane, after what fills no byte yet: together less than 64. */
    const append = (x: V128, bits: I32Expression): void => {
      const word = f.local("v128", v128.or(waiting, i64x2.shl(x, filled)));
      f.storeLane64(at, word, { lane: 0 });
      f.increment(filled, bits);
      f.set(waiting, i64x2.shrU(word, i32.and(filled, 0x38)));
      f.increment(at, i32.shrU(filled, 3));
      f.set(filled, i32.and(filled, 7));
    };
    const upper = (x: V128) => i32x4.shuffle(x, x, [2, 3, 0, 1]);
    f.if(
      i32.leS(width, 28),
      () => {
        const two = f.local("i32", i32.shl(width, 1));
        for (const difference of differences) {
          const pairs = joined(f, difference, { size: 64, width });
          append(pairs, two);
          append(upper(pairs), two);
        }
      },
      () => {
        const alone = i32x4.const([-1, 0, -1, 0]);
        for (const difference of differences) {
          const [even, odd] = [v128.and(difference, alone), i64x2.shrU(difference, i32.const(32))];
          const [first, second] = [f.local("v128", even), f.local("v128", odd)];
          for (const unit of [first, second, upper(first), upper(second)]) append(unit, width);
        }
      },
    );
  },
};

interface Unpacking {
  readonly width: Local<"i32">;
  readonly delta: I32Expression;
}

/** Two words of 64 bits that begin in these bytes. */
const twoWords = (first: V128, second: V128): V128 => i32x4.shuffle(first, second, [0, 1, 4, 5]);

const unpackers: { readonly [L in Lanes]: (f: FunctionBuilder, unpacking: Unpacking) => Local<"v128">[] } = {
  8(f, { width, delta }) {
    return [0, 2].map((word) => {
      const [first, second] = [0, 1].map((lane) => v128.load64Zero(i32.add(delta, times(width, word + lane))));
      const eights = f.local("v128", twoWords(first!, second!));
      const fours = divided(f, eights, { size: 64, width: i32.shl(width, 2) });
      const pairs = divided(f, fours, { size: 32, width: i32.shl(width, 1) });
      return divided(f, pairs, { size: 16, width });
    });
  },

  16(f, { width, delta }) {
    const half = f.local("i32", i32.shl(i32.and(width, 1), 2));
    return [0, 1, 2, 3].map((i) => {
      const at = f.local("i32", i32.add(delta, times(width, i)));
      const second = i64x2.shrU(v128.load64Zero(i32.add(at, i32.shrU(width, 1))), half);
      const fours = f.local("v128", twoWords(v128.load64Zero(at), second));
      const pairs = divided(f, fours, { size: 64, width: i32.shl(width, 1) });
      return divided(f, pairs, { size: 32, width });
    });
  },

  32(f, { width, delta }) {
    const above = f.local("v128", i64x2.shl(i32x4.splat(-1), width));
    return Array.from({ length: groupUnits / 4 }, (_, i) => {
      const [a, b, c, d] = [0, 1, 2, 3].map((lane) => {
        const bit = f.local("i32", times(width, 4 * i + lane));
        const word = v128.load64Zero(i32.add(delta, i32.shrU(bit, 3)));
        return f.local("v128", i64x2.shrU(word, i32.and(bit, 7)));
      });
      const [even, odd] = [twoWords(a!, c!), twoWords(b!, d!)].map((x) => v128.andNot(x, above));
      return f.local("v128", v128.or(even!, i64x2.shl(odd!, i32.const(32))));
    });
  },
};
