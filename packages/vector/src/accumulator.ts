/**
 * Exact weighted sums over the blocks of a flat vector: the result does not depend on the order of arrival, bit for bit, and
 * subtracting a contribution leaves no trace of it. How: see grid.ts.
 */
import { blockCount, blockElements, blockRange } from "./block.ts";
import { GridError, LengthError, WeightError } from "./errors.ts";
import { checkValues, checkWeight, createGrid, sameGrid, type Grid, type GridOptions } from "./grid.ts";

/**
 * Opens an accumulator for a vector of `size` elements; it takes 8 bytes an element, and keeps them until collected.
 *
 * @throws {GridError} when an option is out of range
 */
export function createAccumulator(size: number, options: GridOptions): Accumulator {
  return new Accumulator(size, createGrid(options));
}

/** The running sums; made by `createAccumulator`. Every method checks first and changes nothing when it throws. */
export class Accumulator {
  readonly size: number;
  readonly grid: Grid;
  readonly #sums: Float64Array;
  /** Contributions in each block, and their total weight; weights are integers below 2^53 in sum, so exact. */
  readonly #counts: Uint32Array;
  readonly #weights: Float64Array;

  constructor(size: number, grid: Grid) {
    this.size = size;
    this.grid = grid;
    this.#counts = new Uint32Array(blockCount(size));
    this.#weights = new Float64Array(this.#counts.length);
    this.#sums = new Float64Array(size);
  }

  /**
   * Adds `weight · values` to a block.
   *
   * @throws {LengthError} for another number of values than the block has
   * @throws {ValueError} for NaN, infinities and values beyond the bound
   * @throws {WeightError} for a weight that is not an integer in 0..maxWeight
   * @throws {GridError} when the block holds all the contributions that the grid has room for
   */
  addBlock(block: number, values: Float32Array, weight: number): void {
    const sums = this.#check(block, values, weight);
    if (this.#counts[block]! >= this.grid.contributions) {
      throw new GridError(
        `block ${block} already holds ${this.grid.contributions} contributions, all that its grid has room for`,
      );
    }
    if (this.grid.quantum === 0) keepWeighted(sums, values, weight);
    else addWeighted(sums, values, { weight, quantum: this.grid.quantum });
    this.#counts[block]! += 1;
    this.#weights[block]! += weight;
  }

  /**
   * Takes back what `addBlock` added with the same arguments, as if it had never come.
   *
   * @throws {LengthError | ValueError | WeightError} as `addBlock` does
   * @throws {GridError} when the block holds nothing to take back
   */
  subtractBlock(block: number, values: Float32Array, weight: number): void {
    const sums = this.#check(block, values, weight);
    const [count, held] = [this.#counts[block]!, this.#weights[block]!];
    if (count === 0 || held < weight || (count === 1 && held !== weight)) {
      throw new GridError(`block ${block} holds no contribution of weight ${weight} to subtract`);
    }
    if (this.grid.quantum === 0) sums.fill(0);
    else addWeighted(sums, values, { weight: -weight, quantum: this.grid.quantum });
    this.#counts[block]! -= 1;
    this.#weights[block]! -= weight;
  }

  /**
   * Adds the sums of another accumulator, which stays as it is.
   *
   * @throws {GridError} when size or grid differ, or together they hold more contributions than the grid has room for
   */
  merge(other: Accumulator): void {
    if (other.size !== this.size || !sameGrid(other.grid, this.grid)) {
      throw new GridError(
        `${describe(other)} cannot be merged into ${describe(this)}; open both with the same options`,
      );
    }
    for (let block = 0; block < this.#counts.length; block++) {
      if (this.#counts[block]! + other.#counts[block]! > this.grid.contributions) {
        throw new GridError(
          `merging brings block ${block} past the ${this.grid.contributions} contributions of its grid`,
        );
      }
    }
    for (let block = 0; block < this.#counts.length; block++) {
      if (other.#counts[block] === 0) continue;
      const { start, end } = blockRange(this.size, block);
      // A lone contribution is copied, not added: 0 + (-0) would lose its sign.
      if (this.grid.quantum === 0) this.#sums.set(other.#sums.subarray(start, end), start);
      else for (let i = start; i < end; i++) this.#sums[i]! += other.#sums[i]!;
      this.#counts[block]! += other.#counts[block]!;
      this.#weights[block]! += other.#weights[block]!;
    }
  }

  /** Total weight of the contributions in a block. */
  weightOf(block: number): number {
    blockRange(this.size, block);
    return this.#weights[block]!;
  }

  /**
   * Writes sum / totalWeight, rounded to f32. On a grid for one contribution, that is exactly the values that went in.
   *
   * @param totalWeight usually `weightOf(block)`; another where the denominator is fixed beforehand
   * @throws {WeightError} unless totalWeight is finite and above zero
   */
  meanBlock(block: number, totalWeight: number, out: Float32Array): void {
    const sums = this.#sumsOf(block, out);
    if (!(totalWeight > 0 && totalWeight < Infinity)) {
      throw new WeightError(`block ${block}: a mean needs a total weight above zero, got ${totalWeight}`);
    }
    for (let i = 0; i < out.length; i++) out[i] = sums[i]! / totalWeight;
  }

  /** Back to nothing added, in the same memory. */
  reset(): void {
    this.#sums.fill(0);
    this.#counts.fill(0);
    this.#weights.fill(0);
  }

  /** The block's sums, once everything about the contribution is found in order. */
  #check(block: number, values: Float32Array, weight: number): Float64Array {
    const sums = this.#sumsOf(block, values);
    checkWeight(weight, this.grid.maxWeight);
    checkValues(this.grid, values);
    return sums;
  }

  #sumsOf(block: number, values: Float32Array): Float64Array {
    const { start, end } = blockRange(this.size, block);
    if (values.length !== end - start) {
      throw new LengthError(
        `block ${block} has ${end - start} elements, got ${values.length}; blocks are ${blockElements} elements but for the last`,
      );
    }
    return this.#sums.subarray(start, end);
  }
}

/** sums[i] += weight · values[i], rounded to the grid. */
function addWeighted(
  sums: Float64Array,
  values: Float32Array,
  { weight, quantum }: { weight: number; quantum: number },
): void {
  // |weight · value| ≤ 2^51 quanta, so the sum with 1.5·2^52 quanta lies where f64s are one quantum apart: it rounds to
  // nearest even there, symmetrically in sign, and taking the constant off again is exact.
  const magic = 1.5 * 2 ** 52 * quantum;
  // Four at a time: half the time of the loop by ones.
  const whole = values.length & ~3;
  for (let i = 0; i < whole; i += 4) {
    sums[i]! += weight * values[i]! + magic - magic;
    sums[i + 1]! += weight * values[i + 1]! + magic - magic;
    sums[i + 2]! += weight * values[i + 2]! + magic - magic;
    sums[i + 3]! += weight * values[i + 3]! + magic - magic;
  }
  for (let i = whole; i < values.length; i++) sums[i]! += weight * values[i]! + magic - magic;
}

function keepWeighted(sums: Float64Array, values: Float32Array, weight: number): void {
  for (let i = 0; i < values.length; i++) sums[i] = weight * values[i]!;
}

function describe({ size, grid: { contributions, bound, maxWeight } }: Accumulator): string {
  return `an accumulator of ${size} elements, ${contributions} contributions, bound ${bound}, maxWeight ${maxWeight}`;
}
