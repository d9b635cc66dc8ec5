/**
 * One update on its way in: cut into the codec's segments, decoded, checked and folded into the sums block by block as it
 * arrives, taken out again on demand.
 */
import type { Combination } from "@weft/aggregate";
import {
  allFinite,
  blockCount,
  blockElements,
  squaredNorm,
  type VectorCodec,
  WeftError as VectorError,
} from "@weft/vector";
import type { Reason } from "../round/runEvent.ts";
import { Keep, type KeepBudget } from "./keep.ts";

export interface UploadTarget {
  readonly combination: Combination;
  readonly codec: VectorCodec;
  readonly normBound: number;
  /** Room for the values of one block, shared by all uploads: blocks that come whole are only looked at while they are folded. */
  readonly scratch: Float32Array;
}

export class Upload {
  readonly #target: UploadTarget;
  readonly #weight: number;
  readonly #keep: Keep;
  /** Encoded bytes of the segment under way, when it does not come in one chunk. */
  #partial: Uint8Array | undefined;
  #partialBytes = 0;
  /** Segments that have come whole. */
  #segments = 0;
  /** Blocks in the sums. */
  #blocks = 0;
  /** The block under way, when its segments end within it. */
  #assembled: Float32Array | undefined;
  #squaredNorm = 0;
  #dropped = false;
  #receivedBytes = 0;

  constructor(target: UploadTarget, weight: number, budget: KeepBudget) {
    this.#target = target;
    this.#weight = weight;
    this.#keep = new Keep(budget);
  }

  /** Bytes that came so far. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  get dropped(): boolean {
    return this.#dropped;
  }

  /** Takes in the next bytes, which are the upload's own from now on. Returns what is wrong with them, if anything. */
  push(chunk: Uint8Array): Reason | undefined {
    this.#receivedBytes += chunk.length;
    for (let offset = 0; offset < chunk.length;) {
      const wanted = this.#target.codec.segments[this.#segments]?.bytes ?? 0;
      const missing = wanted - this.#partialBytes;
      const piece = chunk.subarray(offset, offset + missing);
      if (piece.length === 0) throw new Error("more bytes than the header announced");
      offset += piece.length;
      if (piece.length === wanted) {
        const problem = this.#take(piece);
        if (problem !== undefined) return problem;
        continue;
      }
      this.#partial ??= new Uint8Array(wanted);
      this.#partial.set(piece, this.#partialBytes);
      this.#partialBytes += piece.length;
      if (this.#partialBytes < wanted) continue;
      const segment = this.#partial;
      this.#partial = undefined;
      this.#partialBytes = 0;
      const problem = this.#take(segment);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  /** Whole and applied: it can no longer be taken out. */
  seal(): void {
    if (this.#blocks !== blockCount(this.#target.codec.size)) {
      throw new Error("an upload was sealed before its last block");
    }
    this.#keep.release();
  }

  /** Takes out what was folded in. */
  drop(): void {
    if (this.#dropped) return;
    this.#dropped = true;
    const { combination } = this.#target;
    const folded = this.#blocks;
    let segment = 0;
    for (const bytes of this.#keep.blocks()) {
      for (const { block, values } of this.#decoded(segment, bytes)) {
        if (block >= folded) break;
        combination.subtract(block, values, this.#weight);
      }
      segment += 1;
    }
    this.#keep.release();
  }

  /** A segment has come whole. */
  #take(bytes: Uint8Array): Reason | undefined {
    // Kept first: the blocks that were folded before one is found wanting have to be taken out again.
    this.#keep.push(bytes);
    const segment = this.#segments++;
    try {
      for (const { block, values } of this.#decoded(segment, bytes)) {
        const problem = this.#problemOf(block, values);
        if (problem !== undefined) return problem;
        this.#target.combination.add(block, values, this.#weight);
        this.#blocks += 1;
      }
    } catch (error) {
      // Bytes that no encoder makes, and whatever the sums cannot hold exactly, are the sender's fault, never the run's.
      if (error instanceof VectorError) return { code: error.code, text: error.message };
      throw error;
    }
    return undefined;
  }

  #problemOf(block: number, values: Float32Array): Reason | undefined {
    const { normBound } = this.#target;
    this.#squaredNorm += squaredNorm(values);
    // Written so that NaN fails; what passes is finite and within the bound, element by element.
    if (this.#squaredNorm <= normBound * normBound) return undefined;
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

  /** The blocks that a segment completes, which it may begin or end within; their values are overwritten by the next. */
  *#decoded(segment: number, bytes: Uint8Array): Generator<{ readonly block: number; readonly values: Float32Array }> {
    const { codec, scratch } = this.#target;
    const { start, end } = codec.segments[segment] ?? { start: 0, end: 0 };
    for (let at = start; at < end;) {
      const block = Math.floor(at / blockElements);
      const blockStart = block * blockElements;
      const blockEnd = Math.min(blockStart + blockElements, codec.size);
      const until = Math.min(end, blockEnd);
      const isWhole = at === blockStart && until === blockEnd;
      const room = isWhole ? scratch : (this.#assembled ??= new Float32Array(scratch.length));
      codec.decodeSegment(segment, bytes, room.subarray(at - blockStart, until - blockStart), at - start);
      if (until === blockEnd) yield { block, values: room.subarray(0, blockEnd - blockStart) };
      at = until;
    }
  }
}
