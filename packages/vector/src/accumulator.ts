/**
 * Exact weighted sums over the blocks of a flat vector: the result does not depend on the order of arrival, bit for bit, and
 * subtracting a contribution leaves no trace of it. How: see grid.ts.
 */
import { blockCount, blockElements, blockRange } from "./block.ts";
import { squaredNorm } from "./check.ts";
import { GridError, LengthError, WeightError } from "./errors.ts";
import { FoldQueue } from "./foldQueue.ts";
import { checkValues, checkWeight, createGrid, type Grid, type GridOptions, raiseOf, sameGrid } from "./grid.ts";
import { foldStep } from "./kernels/fold.ts";
import { readRaised, writeRaised } from "./raisedSums.ts";
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
  /** Contributions in each block, those that wait included, and their total weight; weights are integers below 2^53 in sum, so exact. */
  readonly #counts: Uint32Array;
  readonly #weights: Float64Array;
  /** Blocks whose sums lie in the slabs; those of others count as 0. */
  readonly #begun: Uint8Array;
  /** What is still to be folded, by slab; none where plain loops fold at once. */
  readonly #queues: readonly (FoldQueue | undefined)[];
  #scratch: Float32Array | undefined;

  constructor(size: number, grid: Grid, slabs: readonly Slab[]) {
    this.size = size;
    this.grid = grid;
    this.#counts = new Uint32Array(blockCount(size));
    this.#weights = new Float64Array(this.#counts.length);
    this.#begun = new Uint8Array(this.#counts.length);
    this.#slabs = slabs;
    this.#queues = slabs.map(({ kernels }) => {
      if (kernels === undefined || grid.quantum === 0) return undefined;
      return new FoldQueue(kernels, (block, contributions) => {
        const { start, end } = blockRange(size, block);
        const count = Math.ceil((end - start) / foldStep) * foldStep;
        const fresh = this.#begun[block] === 0;
        kernels.fold(this.#placeOf(block).at, contributions, { count, magic: raiseOf(grid), fresh });
        this.#begun[block] = 1;
      });
    });
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
   * Room for a block's values, until the next call: `addBlock` does not copy what is put there.
   */
  room(block: number): Float32Array {
    const { start, end } = blockRange(this.size, block);
    const queue = this.#queueOf(block);
    if (queue !== undefined) return queue.room(end - start);
    this.#scratch ??= new Float32Array(Math.min(this.size, blockElements));
    return this.#scratch.subarray(0, end - start);
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
    if (count > 1) this.#fold(block, values, -weight);
    else this.#forget(block);
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
      const values = other.#valuesOf(block);
      if (this.#counts[block]! > 0) {
        const own = this.#valuesOf(block);
        for (let i = 0; i < values.length; i++) values[i]! += own[i]!;
      }
      const sums = this.#sumsOf(block);
      if (this.#queueOf(block) === undefined) sums.set(values);
      else writeRaised(values, this.grid, sums);
      this.#begun[block] = 1;
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
    if (this.#queueOf(block) !== undefined) readRaised(sums, this.grid, { out, divisor: totalWeight });
    else for (let i = 0; i < out.length; i++) out[i] = sums[i]! / totalWeight;
  }

  /** Back to nothing added, in the same memory. */
  reset(): void {
    this.#counts.fill(0);
    this.#weights.fill(0);
    this.#begun.fill(0);
    for (const queue of this.#queues) queue?.clear();
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

  #queueOf(block: number): FoldQueue | undefined {
    return this.#queues[Math.floor(block / this.#blocksPerSlab)];
  }

  /** The block's sums, all that waited added, raised where there are kernels; as they were found if it has no contributions. */
  #sumsOf(block: number): Float64Array {
    this.#queueOf(block)?.settle(block);
    const { start, end } = blockRange(this.size, block);
    const { slab, at } = this.#placeOf(block);
    return new Float64Array(slab.buffer, at, end - start);
  }

  /** A copy of the sums of a block that has contributions. */
  #valuesOf(block: number): Float64Array {
    const sums = this.#sumsOf(block);
    if (this.#queueOf(block) === undefined) return sums.slice();
    const out = new Float64Array(sums.length);
    readRaised(sums, this.grid, { out, divisor: 1 });
    return out;
  }

  /** Adds weighted values, once they are found in order. Returns the sum of their squares. */
  #fold(block: number, values: Float32Array, weight: number): number {
    const { bound, quantum } = this.grid;
    const queue = this.#queueOf(block);
    if (queue !== undefined) {
      const check = (norm: number): number => {
        // What is well within the bound as a whole is so element by element; NaN fails.
        if (bound >= leastFastBound && norm <= 0.999 * bound * bound) return norm;
        checkValues(this.grid, values);
        return squaredNorm(values);
      };
      return queue.add(block, values, { weight, check });
    }
    checkValues(this.grid, values);
    const sums = this.#sumsOf(block);
    const raise = raiseOf(this.grid);
    if (quantum === 0) keepWeighted(sums, values, weight);
    else addWeighted(this.#begun[block] === 1 ? sums : sums.fill(0), values, { weight, raise });
    this.#begun[block] = 1;
    return squaredNorm(values);
  }

  /** The block has no contributions any more. */
  #forget(block: number): void {
    this.#queueOf(block)?.drop(block);
    this.#begun[block] = 0;
  }
}

/** Squares of values near a lesser bound would vanish in f32. */
const leastFastBound = 2 ** -40;

/** sums[i] += weight · values[i], rounded to the grid. */
function addWeighted(
  sums: Float64Array,
  values: Float32Array,
  { weight, raise }: { weight: number; raise: number },
): void {
  // Four at a time: half the time of the loop by ones.
  const whole = values.length & ~3;
  for (let i = 0; i < whole; i += 4) {
    sums[i]! += weight * values[i]! + raise - raise;
    sums[i + 1]! += weight * values[i + 1]! + raise - raise;
    sums[i + 2]! += weight * values[i + 2]! + raise - raise;
    sums[i + 3]! += weight * values[i + 3]! + raise - raise;
  }
  for (let i = whole; i < values.length; i++) sums[i]! += weight * values[i]! + raise - raise;
}

function keepWeighted(sums: Float64Array, values: Float32Array, weight: number): void {
  for (let i = 0; i < values.length; i++) sums[i] = weight * values[i]!;
}

function describe({ size, grid: { contributions, bound, maxWeight } }: Accumulator): string {
  return `an accumulator of ${size} elements, ${contributions} contributions, bound ${bound}, maxWeight ${maxWeight}`;
}
