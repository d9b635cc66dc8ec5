/**
 * Exact weighted sums over the blocks of a flat vector: the result does not depend on the order of arrival, bit for bit, and
 * subtracting a contribution leaves no trace of it. How: see grid.ts.
 */
import { blockCount, blockElements, blockRange } from "./block.ts";
import { squaredNorm } from "./check.ts";
import { GridError, LengthError, WeightError } from "./errors.ts";
import { checkValues, checkWeight, createGrid, sameGrid, type Grid, type GridOptions } from "./grid.ts";
import { foldStep } from "./kernels/fold.ts";
import { createSlab, type Slab, sumBytes } from "./slab.ts";

/**
 * Opens an accumulator for a vector of `size` elements; it takes 8 bytes an element, and keeps them until collected.
 *
 * @param slabs memory to use, whatever it holds: each takes an equal number of blocks, the last what is left (`slabBytes`)
 * @throws {GridError} when an option is out of range
 */
export function createAccumulator(size: number, options: GridOptions, slabs?: readonly Slab[]): Accumulator {
  const grid = createGrid(options);
  return new Accumulator(size, grid, slabs ?? [createSlab(slabBytes(size, 1))]);
}

/** Bytes that each of so many slabs needs for the sums of a vector. */
export function slabBytes(size: number, slabs: number): number {
  return sumBytes(slabs === 1 ? size : Math.ceil(blockCount(size) / slabs) * blockElements);
}

/** The running sums; made by `createAccumulator`. Every method checks first and changes nothing when it throws. */
export class Accumulator {
  readonly size: number;
  readonly grid: Grid;
  readonly #slabs: readonly Slab[];
  readonly #blocksPerSlab: number;
  /** Contributions in each block, and their total weight; weights are integers below 2^53 in sum, so exact. */
  readonly #counts: Uint32Array;
  readonly #weights: Float64Array;

  constructor(size: number, grid: Grid, slabs: readonly Slab[]) {
    this.size = size;
    this.grid = grid;
    this.#counts = new Uint32Array(blockCount(size));
    this.#weights = new Float64Array(this.#counts.length);
    this.#slabs = slabs;
    this.#blocksPerSlab = Math.ceil(this.#counts.length / slabs.length);
    if (slabs.some(({ bytes }) => bytes < slabBytes(size, slabs.length))) {
      throw new LengthError(`${slabs.length} slabs for ${size} sums need ${slabBytes(size, slabs.length)} bytes each`);
    }
  }

  /**
   * Adds `weight · values` to a block. Returns the sum of their squares, to some 1e-6.
   *
   * @throws {LengthError} for another number of values than the block has
   * @throws {ValueError} for NaN, infinities and values beyond the bound
   * @throws {WeightError} for a weight that is not an integer in 0..maxWeight
   * @throws {GridError} when the block holds all the contributions that the grid has room for
   */
  addBlock(block: number, values: Float32Array, weight: number): number {
    this.#checkLength(block, values);
    checkWeight(weight, this.grid.maxWeight);
    if (this.#counts[block]! >= this.grid.contributions) {
      checkValues(this.grid, values);
      throw new GridError(
        `block ${block} already holds ${this.grid.contributions} contributions, all that its grid has room for`,
      );
    }
    const norm = this.#fold(block, values, weight);
    this.#counts[block]! += 1;
    this.#weights[block]! += weight;
    return norm;
  }

  /**
   * Takes back what `addBlock` added with the same arguments, as if it had never come.
   *
   * @throws {LengthError | ValueError | WeightError} as `addBlock` does
   * @throws {GridError} when the block holds nothing to take back
   */
  subtractBlock(block: number, values: Float32Array, weight: number): void {
    this.#checkLength(block, values);
    checkWeight(weight, this.grid.maxWeight);
    checkValues(this.grid, values);
    const [count, held] = [this.#counts[block]!, this.#weights[block]!];
    if (count === 0 || held < weight || (count === 1 && held !== weight)) {
      throw new GridError(`block ${block} holds no contribution of weight ${weight} to subtract`);
    }
    // Of a block without contributions the sums are not looked at.
    if (count > 1) this.#fold(block, values, -weight);
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
      const [sums, others] = [this.#sumsOf(block), other.#sumsOf(block)];
      if (this.#counts[block] === 0) sums.set(others);
      else for (let i = 0; i < sums.length; i++) sums[i]! += others[i]!;
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
    this.#checkLength(block, out);
    if (!(totalWeight > 0 && totalWeight < Infinity)) {
      throw new WeightError(`block ${block}: a mean needs a total weight above zero, got ${totalWeight}`);
    }
    if (this.#counts[block] === 0) {
      out.fill(0);
      return;
    }
    const sums = this.#sumsOf(block);
    for (let i = 0; i < out.length; i++) out[i] = sums[i]! / totalWeight;
  }

  /** Back to nothing added, in the same memory. */
  reset(): void {
    this.#counts.fill(0);
    this.#weights.fill(0);
  }

  #checkLength(block: number, values: Float32Array): void {
    const { start, end } = blockRange(this.size, block);
    if (values.length !== end - start) {
      throw new LengthError(
        `block ${block} has ${end - start} elements, got ${values.length}; blocks are ${blockElements} elements but for the last`,
      );
    }
  }

  #placeOf(block: number): { readonly slab: Slab; readonly at: number } {
    const slab = this.#slabs[Math.floor(block / this.#blocksPerSlab)]!;
    return { slab, at: slab.start + 8 * blockElements * (block % this.#blocksPerSlab) };
  }

  /** What the block's sums are, if it has contributions. */
  #sumsOf(block: number): Float64Array {
    const { start, end } = blockRange(this.size, block);
    const { slab, at } = this.#placeOf(block);
    return new Float64Array(slab.buffer, at, end - start);
  }

  /** Adds weighted values, once they are found in order. Returns the sum of their squares. */
  #fold(block: number, values: Float32Array, weight: number): number {
    const { bound, quantum } = this.grid;
    const { slab, at } = this.#placeOf(block);
    const isFresh = this.#counts[block] === 0;
    const { kernels } = slab;
    if (kernels === undefined || quantum === 0) {
      checkValues(this.grid, values);
      const sums = this.#sumsOf(block);
      if (quantum === 0) keepWeighted(sums, values, weight);
      else addWeighted(isFresh ? sums.fill(0) : sums, values, { weight, quantum });
      return squaredNorm(values);
    }
    const count = Math.ceil(values.length / foldStep) * foldStep;
    kernels.scratch.set(values);
    kernels.scratch.fill(0, values.length, count);
    let norm = bound < leastFastBound ? NaN : kernels.squaredNorm(0, count);
    // What is well within the bound as a whole is so element by element; NaN fails.
    if (!(norm <= 0.999 * bound * bound)) {
      checkValues(this.grid, values);
      norm = squaredNorm(values);
    }
    (isFresh ? kernels.put : kernels.add)(0, at, count, weight, magicOf(quantum));
    return norm;
  }
}

/** Squares of values near a lesser bound would vanish in f32. */
const leastFastBound = 2 ** -40;

/**
 * |weight · value| ≤ 2^51 quanta, so the sum with 1.5·2^52 quanta lies where f64s are one quantum apart: it rounds to nearest
 * even there, symmetrically in sign, and taking the constant off again is exact.
 */
const magicOf = (quantum: number): number => 1.5 * 2 ** 52 * quantum;

/** sums[i] += weight · values[i], rounded to the grid. */
function addWeighted(
  sums: Float64Array,
  values: Float32Array,
  { weight, quantum }: { weight: number; quantum: number },
): void {
  const magic = magicOf(quantum);
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
