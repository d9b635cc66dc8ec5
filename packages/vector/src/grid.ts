/**
 * The grid of exact sums: the multiples of a power of two `quantum`, so coarse that no sum of a round's contributions ever
 * needs more than the 53 bits of an f64, whatever the order they are added in.
 */
import { GridError, ValueError, WeightError } from "./errors.ts";

/** What a round promises about its contributions. */
export interface GridOptions {
  /** Contributions to any one block that may be in the sum at once, at most 2^24. */
  readonly contributions: number;
  /** Largest magnitude of a value, in 2^-126..2^128. */
  readonly bound: number;
  /** Largest weight of a contribution, an integer in 1..2^29, so that weight · f32 is exact in f64. */
  readonly maxWeight: number;
}

/** The options with what follows from them. */
export interface Grid extends GridOptions {
  /** Spacing of the grid, a power of two; 0 for a single contribution, which is kept as it is. */
  readonly quantum: number;
}

/**
 * The finest grid on which `contributions` weighted values add without rounding.
 *
 * With N, W, B the contributions, maxWeight and bound, each rounded up to a power of two (N at least to 4):
 * `quantum = N·W·B / 2^53`. A weighted value moves by at most half a quantum, so the mean by at most
 * `contributions · quantum / 2 / totalWeight`. Per element and relative to B that is
 *
 * | contributions | every weight = maxWeight | every weight = maxWeight/1000 |
 * |---|---|---|
 * | 1 | 0 | 0 |
 * | 2 to 4 | 2.2e-16 | 2.2e-13 |
 * | 100 | 7.1e-15 | 7.1e-12 |
 * | 10,000 | 9.1e-13 | 9.1e-10 |
 *
 * An f32 resolves 6e-8 of its own magnitude, so with 100 contributions the grid is finer than f32 for values down to a
 * ten-millionth of the bound. The bound is therefore to be near the values: with the largest f32 as bound, everything
 * below 1e22 would vanish.
 *
 * @throws {GridError} when an option is out of range
 */
export function createGrid({ contributions, bound, maxWeight }: GridOptions): Grid {
  if (!Number.isInteger(contributions) || contributions < 1 || contributions > 2 ** 24) {
    throw new GridError(`contributions is an integer in 1..2^24, got ${contributions}`);
  }
  if (!(bound >= 2 ** -126 && bound <= 2 ** 128)) {
    throw new GridError(
      `bound is a number in 2^-126..2^128, got ${bound}; choose it near the largest expected magnitude`,
    );
  }
  if (!Number.isInteger(maxWeight) || maxWeight < 1 || maxWeight > 2 ** 29) {
    throw new GridError(`maxWeight is an integer in 1..2^29, got ${maxWeight}`);
  }
  // At least 4, so that one weighted value stays within 2^51 quanta, where adding 1.5·2^52 of them rounds to the grid.
  const summands = powerOfTwoFrom(Math.max(contributions, 4));
  const quantum = contributions === 1 ? 0 : (summands * powerOfTwoFrom(maxWeight) * powerOfTwoFrom(bound)) / 2 ** 53;
  return { contributions, bound, maxWeight, quantum };
}

/**
 * |weight · value| ≤ 2^51 quanta, so its sum with 1.5·2^52 quanta lies where f64s are one quantum apart: it rounds to nearest
 * even there, symmetrically in sign, and taking the constant off again is exact. 0 for a single contribution.
 */
export const raiseOf = ({ quantum }: Grid): number => 1.5 * 2 ** 52 * quantum;

/** Whether sums on one grid may be added to sums on the other. */
export function sameGrid(a: Grid, b: Grid): boolean {
  return a.contributions === b.contributions && a.bound === b.bound && a.maxWeight === b.maxWeight;
}

/**
 * Throws unless every value is finite and within the bound.
 *
 * @throws {ValueError} naming the first offender
 */
export function checkValues({ bound }: Grid, values: Float32Array): void {
  let good = 0;
  // NaN fails every comparison, so it ends the loop as well.
  while (good < values.length && Math.abs(values[good]!) <= bound) good++;
  if (good < values.length) {
    throw new ValueError(`element ${good} is ${values[good]!}; expected finite values of magnitude at most ${bound}`);
  }
}

/** Throws unless the weight is an integer in 0..maxWeight; zero contributes nothing. */
export function checkWeight(weight: number, maxWeight: number): void {
  if (!Number.isInteger(weight) || weight < 0 || weight > maxWeight) {
    throw new WeightError(
      `a weight is an integer in 0..${maxWeight}, got ${weight}; raise maxWeight or refuse the update`,
    );
  }
}

/** The smallest power of two that is at least `x`, for normal positive `x`. */
function powerOfTwoFrom(x: number): number {
  let power = 2 ** Math.floor(Math.log2(x));
  // log2 may err in its last digit on either side.
  while (power >= 2 * x) power /= 2;
  while (power < x) power *= 2;
  return power;
}
