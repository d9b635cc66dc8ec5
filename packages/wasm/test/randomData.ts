/** Repeatable numbers for kernel tests. */

/** Uniform in -1..1. */
export function randomFloats(size: number, seed: number): Float32Array {
  const next = generator(seed);
  return Float32Array.from({ length: size }, () => next() / 2 ** 31 - 1);
}

/** Integers in -9..9. */
export function randomIntegers(size: number, seed: number): Int32Array {
  const next = generator(seed);
  return Int32Array.from({ length: size }, () => (next() % 19) - 9);
}

/** Marsaglia's xorshift32. */
function generator(seed: number): () => number {
  let state = (seed * 2654435761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>>= 0);
  };
}
