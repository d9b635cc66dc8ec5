/**
 * Sums as the SIMD kernels leave them: the bits of `raiseOf` the grid, as an integer, plus the sum's quanta. As an f64 such a word
 * is the raised sum, as long as that is near; as an integer it holds every sum of the grid.
 */
import { type Grid, raiseOf } from "./grid.ts";

/** out[i] = sum / divisor. `out` may lie in the same memory, at the sums' beginning or before. */
export function readRaised(
  sums: Float64Array,
  grid: Grid,
  { out, divisor }: { readonly out: Float32Array | Float64Array; readonly divisor: number },
): void {
  const words = wordsOf(sums);
  const { quantum } = grid;
  const top = topOf(grid);
  for (let i = 0; i < sums.length; i++) {
    out[i] = (((words[2 * i + 1]! - top) * 2 ** 32 + (words[2 * i]! >>> 0)) * quantum) / divisor;
  }
}

/** The reverse of reading by a divisor of 1. */
export function writeRaised(values: Float64Array, grid: Grid, sums: Float64Array): void {
  const words = wordsOf(sums);
  const top = topOf(grid);
  for (let i = 0; i < sums.length; i++) {
    const quanta = values[i]! / grid.quantum;
    const upper = Math.floor(quanta / 2 ** 32);
    words[2 * i] = quanta - upper * 2 ** 32;
    words[2 * i + 1] = upper + top;
  }
}

const wordsOf = ({ buffer, byteOffset, length }: Float64Array): Int32Array =>
  new Int32Array(buffer, byteOffset, 2 * length);

/** The upper word of the raise; its lower one is 0. */
const topOf = (grid: Grid): number => wordsOf(Float64Array.of(raiseOf(grid)))[1]!;
