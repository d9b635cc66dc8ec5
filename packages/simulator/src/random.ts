/**
 * Seeded randomness: splitmix32, a counter put through the finaliser of MurmurHash3 (Appleby). Streams of different places
 * under one seed are independent, so that leaving one thing out of a simulation changes nothing of the rest.
 */

export interface Random {
  /** Uniform in [0, 1). */
  readonly unit: () => number;
  /** Uniform in 0..bound-1. */
  readonly below: (bound: number) => number;
  /** Uniform in [from, to). */
  readonly between: (from: number, to: number) => number;
  /** Standard normal (Box and Muller 1958). */
  readonly normal: () => number;
  readonly chance: (probability: number) => boolean;
  readonly pick: <T>(items: readonly T[]) => T;
}

/** @param place whole numbers that name what the stream is for */
export function createRandom(seed: number, ...place: readonly number[]): Random {
  let state = mix(seed >>> 0) ^ mix(Math.floor(seed / 2 ** 32) + 1);
  for (const number of place) state = mix(state + Math.imul(number + 1, 0x9e3779b1));
  const unit = () => {
    state = (state + 0x9e3779b9) | 0;
    return mix(state) / 2 ** 32;
  };
  const below = (bound: number) => Math.floor(unit() * bound);
  return {
    unit,
    below,
    between: (from, to) => from + (to - from) * unit(),
    normal: () => Math.sqrt(-2 * Math.log(1 - unit())) * Math.cos(2 * Math.PI * unit()),
    chance: (probability) => unit() < probability,
    pick: (items) => items[below(items.length)]!,
  };
}

/** 32 bits, well mixed, as an unsigned integer. */
export function mix(word: number): number {
  let hash = word ^ (word >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
