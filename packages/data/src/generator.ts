/**
 * The integer generator behind shuffles, partitions and synthetic data: xoshiro128** (Blackman and Vigna 2018), its state
 * filled from the seed words by the murmur3 finaliser. 32-bit integer operations alone, so every engine gives the same numbers.
 */
import { DataRangeError } from "./errors.ts";

/** What the numbers are for: each purpose has its own sequence under one seed. */
export type Purpose = "shuffle" | "partition" | "synthetic" | "split" | "augment" | "stream";
const purposes: Readonly<Record<Purpose, number>> = {
  shuffle: 1,
  partition: 2,
  synthetic: 3,
  split: 4,
  augment: 5,
  stream: 6,
};

export interface Generator {
  /** The next 32 bits, as an unsigned integer. */
  readonly bits: () => number;
  /** Uniform in 0..bound-1, without bias: draws under the next power of two until one fits. */
  readonly below: (bound: number) => number;
  /** Uniform in [0, 1), a multiple of 2^-32. */
  readonly unit: () => number;
}

/**
 * @param seed a whole number from 0 to 2^53 − 1
 * @param place whole numbers from 0 to 2^32 − 1: the epoch, then what is counted within it; default epoch 0
 */
export function createGenerator(purpose: Purpose, seed: number, ...place: readonly number[]): Generator {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new DataRangeError(`expected a seed from 0 to 2^53 - 1, got ${seed}; use a whole number`);
  }
  const [epoch = 0, ...rest] = place;
  for (const counted of [epoch, ...rest]) {
    if (Number.isInteger(counted) && counted >= 0 && counted < 2 ** 32) continue;
    throw new DataRangeError(`expected an epoch from 0 to 2^32 - 1, got ${counted}; count epochs from 0`);
  }
  // Never all zero, from which xoshiro could not move: the four chains start apart and every link is a bijection.
  let [a = 0, b = 0, c = 0, d = 0] = stateFrom([
    purposes[purpose],
    seed >>> 0,
    Math.floor(seed / 2 ** 32),
    epoch,
    ...rest,
  ]);
  const bits = () => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotate(d, 11);
    return result;
  };
  const below = (bound: number) => {
    const mask = bound <= 1 ? 0 : 0xffffffff >>> Math.clz32(bound - 1);
    for (;;) {
      const draw = (bits() & mask) >>> 0;
      if (draw < bound) return draw;
    }
  };
  return { bits, below, unit: () => bits() / 2 ** 32 };
}

/** Nearly normal, of mean 0 and variance 1: twelve uniform numbers, so that no engine's logarithm shows in the data. */
export function bell(unit: () => number): number {
  let sum = -6;
  for (let i = 0; i < 12; i++) sum += unit();
  return sum;
}

const rotate = (x: number, by: number) => (x << by) | (x >>> (32 - by));

/** Murmur3's finaliser: a bijection of 32-bit words in which every input bit moves every output bit. */
function mix(word: number): number {
  let x = word;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}

/** Four words of state, each a chain of `mix` over all seed words from its own start. */
function stateFrom(words: readonly number[]): number[] {
  return [0x9e3779b9, 0x3c6ef372, 0xdaa66d2b, 0x78dde6e4].map((start) =>
    words.reduce((state, word) => mix(Math.imul(state, 0x9e3779b1) + word), start),
  );
}
