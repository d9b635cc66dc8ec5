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
    const start = this.#check(block, values, weight);
    if (this.#counts[block]! >= this.grid.contributions) {
      throw new GridError(
        `block ${block} already holds ${this.grid.contributions} contributions, all that its grid has room for`,
      );
    }
    if (this.grid.quantum === 0) keepWeighted(this.#sums.subarray(start, start + values.length), values, weight);
    else addWeighted(this.#sums, values, { start, weight, quantum: this.grid.quantum });
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
    const start = this.#check(block, values, weight);
    if (this.#counts[block] === 0 || this.#weights[block]! < weight) {
      throw new GridError(`block ${block} holds no contribution of weight ${weight} to subtract`);
    }
    if (this.grid.quantum === 0) this.#sums.fill(0, start, start + values.length);
    else addWeighted(this.#sums, values, { start, weight: -weight, quantum: this.grid.quantum });
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
   * Writes sum / totalWeight, rounded to f32; a lone contribution comes back with exactly the values that went in.
   *
   * @param totalWeight usually `weightOf(block)`; another where the denominator is fixed beforehand
   * @throws {WeightError} unless totalWeight is finite and above zero
   */
  meanBlock(block: number, totalWeight: number, out: Float32Array): void {
    const start = this.#start(block, out);
    if (!(totalWeight > 0 && totalWeight < Infinity)) {
      throw new WeightError(`block ${block}: a mean needs a total weight above zero, got ${totalWeight}`);
    }
    const sums = this.#sums;
    for (let i = 0; i < out.length; i++) out[i] = sums[start + i]! / totalWeight;
  }

  /** Back to nothing added, in the same memory. */
  reset(): void {
    this.#sums.fill(0);
    this.#counts.fill(0);
    this.#weights.fill(0);
  }

  #check(block: number, values: Float32Array, weight: number): number {
    const start = this.#start(block, values);
    checkWeight(weight, this.grid.maxWeight);
    checkValues(this.grid, values);
    return start;
  }

  #start(block: number, values: Float32Array): number {
    const { start, end } = blockRange(this.size, block);
    if (values.length !== end - start) {
      throw new LengthError(
        `block ${block} has ${end - start} elements, got ${values.length}; blocks are ${blockElements} elements but for the last`,
      );
    }
    return start;
  }
}

/** sums[start + i] += weight · values[i], rounded to the grid. */
function addWeighted(
  sums: Float64Array,
  values: Float32Array,
  { start, weight, quantum }: { start: number; weight: number; quantum: number },
): void {
  // |weight · value| ≤ 2^51 quanta, so the sum with 1.5·2^52 quanta lies where f64s are one quantum apart: it rounds to
  // nearest even there, symmetrically in sign, and taking the constant off again is exact.
  const magic = 1.5 * 2 ** 52 * quantum;
  for (let i = 0; i < values.length; i++) {
    sums[start + i]! += weight * values[i]! + magic - magic;
  }
}

function keepWeighted(sums: Float64Array, values: Float32Array, weight: number): void {
  for (let i = 0; i < values.length; i++) sums[i] = weight * values[i]!;
}

function describe({ size, grid: { contributions, bound, maxWeight } }: Accumulator): string {
  return `an accumulator of ${size} elements, ${contributions} contributions, bound ${bound}, maxWeight ${maxWeight}`;
}
