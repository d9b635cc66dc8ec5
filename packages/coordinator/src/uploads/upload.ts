/** One update on its way in: cut into blocks, checked, folded into the sums as each block arrives, taken out again on demand. */
import type { Combination } from "@weft/aggregate";
import { allFinite, blockCount, blockRange, type Codec, squaredNorm, WeftError as VectorError } from "@weft/vector";
import type { Reason } from "../round/runEvent.ts";
import { Keep, type KeepBudget } from "./keep.ts";

export interface UploadTarget {
  readonly combination: Combination;
  readonly codec: Codec;
  /** Elements of the flat vector. */
  readonly size: number;
  readonly normBound: number;
  /** Room for the values of one block, shared by all uploads: they are only looked at while a block is folded. */
  readonly scratch: Float32Array;
}

export class Upload {
  readonly #target: UploadTarget;
  readonly #weight: number;
  readonly #keep: Keep;
  /** Encoded bytes of the block under way, when it does not come in one chunk. */
  #partial: Uint8Array | undefined;
  #partialBytes = 0;
  #blocks = 0;
  #squaredNorm = 0;
  #dropped = false;

  constructor(target: UploadTarget, weight: number, budget: KeepBudget) {
    this.#target = target;
    this.#weight = weight;
    this.#keep = new Keep(budget);
  }

  get dropped(): boolean {
    return this.#dropped;
  }

  /** Takes in the next bytes, which are the upload's own from now on. Returns what is wrong with them, if anything. */
  push(chunk: Uint8Array): Reason | undefined {
    for (let offset = 0; offset < chunk.length;) {
      const wanted = this.#blockBytes();
      const missing = wanted - this.#partialBytes;
      const piece = chunk.subarray(offset, offset + missing);
      offset += piece.length;
      if (piece.length === wanted) {
        const problem = this.#fold(piece);
        if (problem !== undefined) return problem;
        continue;
      }
      this.#partial ??= new Uint8Array(wanted);
      this.#partial.set(piece, this.#partialBytes);
      this.#partialBytes += piece.length;
      if (this.#partialBytes < wanted) continue;
      const block = this.#partial;
      this.#partial = undefined;
      this.#partialBytes = 0;
      const problem = this.#fold(block);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  /** Whole and applied: it can no longer be taken out. */
  seal(): void {
    if (this.#blocks !== blockCount(this.#target.size)) throw new Error("an upload was sealed before its last block");
    this.#keep.release();
  }

  /** Takes out what was folded in. */
  drop(): void {
    if (this.#dropped) return;
    this.#dropped = true;
    const { combination } = this.#target;
    let block = 0;
    for (const bytes of this.#keep.blocks()) {
      combination.subtract(block, this.#decode(block, bytes), this.#weight);
      block += 1;
    }
    this.#keep.release();
  }

  #fold(bytes: Uint8Array): Reason | undefined {
    const block = this.#blocks;
    const values = this.#decode(block, bytes);
    const { normBound, combination } = this.#target;
    this.#squaredNorm += squaredNorm(values);
    // Written so that NaN fails; what passes is finite and within the bound, element by element.
    if (!(this.#squaredNorm <= normBound * normBound)) {
      if (!allFinite(values)) {
        return {
          code: "value",
          text: `block ${block} holds NaN or infinity; lower the learning rate or check the data`,
        };
      }
      const norm = Math.sqrt(this.#squaredNorm).toPrecision(4);
      return {
        code: "norm",
        text: `the update's norm is at least ${norm}, at most ${normBound} is accepted; lower the learning rate or raise round.normBound`,
      };
    }
    try {
      combination.add(block, values, this.#weight);
    } catch (error) {
      // Whatever the sums cannot hold exactly is the sender's fault, never the run's.
      if (error instanceof VectorError) return { code: error.code, text: error.message };
      throw error;
    }
    this.#keep.push(bytes);
    this.#blocks += 1;
    return undefined;
  }

  #blockBytes(): number {
    const { start, end } = blockRange(this.#target.size, this.#blocks);
    return this.#target.codec.encodedBytes(end - start);
  }

  #decode(block: number, bytes: Uint8Array): Float32Array {
    const { start, end } = blockRange(this.#target.size, block);
    const values = this.#target.scratch.subarray(0, end - start);
    this.#target.codec.decode(bytes, values);
    return values;
  }
}
