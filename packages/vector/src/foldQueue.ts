/**
 * Contributions that wait in a slab's slots until several of the same block are added in one pass over its sums: what a pass
 * costs is mostly the traffic of the sums. When no slot is free, the block with the most contributions has its turn.
 */
import { foldStep, mostAtOnce } from "./kernels/fold.ts";
import type { FoldKernels, SlotContribution } from "./slab.ts";

/** Adds what waited for a block to its sums. */
export type FoldBlock = (block: number, contributions: readonly SlotContribution[]) => void;

export class FoldQueue {
  readonly #kernels: FoldKernels;
  readonly #fold: FoldBlock;
  readonly #free: number[];
  /** By block; blocks that have waited longest come first. */
  readonly #waiting = new Map<number, SlotContribution[]>();

  constructor(kernels: FoldKernels, fold: FoldBlock) {
    this.#kernels = kernels;
    this.#fold = fold;
    this.#free = kernels.slots.map((_, slot) => slot);
  }

  /** Room for so many values, theirs until `add` or the next call: what is put there need not be copied. */
  room(elements: number): Float32Array {
    return this.#kernels.slots[this.#nextSlot()]!.subarray(0, elements);
  }

  /**
   * Takes values in, if `check` passes the sum of their squares, as the kernels found it.
   *
   * @param check throws for values that cannot be added; returns their squared norm
   */
  add(block: number, values: Float32Array, how: { readonly weight: number; check: (norm: number) => number }): number {
    const slot = this.#nextSlot();
    const own = this.#kernels.slots[slot]!;
    if (values.buffer !== own.buffer || values.byteOffset !== own.byteOffset) own.set(values);
    const count = Math.ceil(values.length / foldStep) * foldStep;
    own.fill(0, values.length, count);
    const norm = how.check(this.#kernels.squaredNorm(own.byteOffset, count));
    this.#free.pop();
    const others = this.#waiting.get(block);
    if (others === undefined) this.#waiting.set(block, [{ slot, weight: how.weight }]);
    else if (others.push({ slot, weight: how.weight }) === mostAtOnce) this.settle(block);
    return norm;
  }

  /** Adds what waits for the block now. */
  settle(block: number): void {
    const contributions = this.#waiting.get(block);
    if (contributions === undefined) return;
    this.#fold(block, contributions);
    this.drop(block);
  }

  /** Forgets what waits for the block. */
  drop(block: number): void {
    for (const { slot } of this.#waiting.get(block) ?? []) this.#free.push(slot);
    this.#waiting.delete(block);
  }

  /** Forgets all that waits. */
  clear(): void {
    for (const block of [...this.#waiting.keys()]) this.drop(block);
  }

  #nextSlot(): number {
    if (this.#free.length === 0) {
      let fullest = -1;
      let most = 0;
      for (const [block, { length }] of this.#waiting) if (length > most) [fullest, most] = [block, length];
      this.settle(fullest);
    }
    return this.#free.at(-1)!;
  }
}
