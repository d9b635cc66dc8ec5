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
  ValueError,
  type VectorCodec,
  WeftError as VectorError,
} from "@weft/vector";
import { letGo } from "../model/letGo.ts";
import type { Reason } from "../round/runEvent.ts";
import { Keep, type KeepBudget } from "./keep.ts";

/** What every upload of a run shares. */
export interface UploadKind {
  readonly codec: VectorCodec;
  readonly normBound: number;
  readonly budget: KeepBudget;
  /** Whether blocks stay at hand when the update is whole, for a rule that sees all updates side by side. */
  readonly retains: boolean;
}

/** The sums that an upload is folded into. */
export interface Sums {
  readonly combination: Combination;
  readonly weight: number;
  /** Whether there is room: not while others are to leave, for sums have room for as many updates as are wanted, and no more. */
  readonly mayBegin: () => boolean;
}

/** Where a walk over the values of an upload stands: the segment that is next, and the element of the vector. */
interface Cursor {
  segment: number;
  at: number;
}

/** Blocks, or parts of them, that are folded as a chunk comes: as many as one of f32 or int8 has. What is left follows in turns. */
const piecesAtOnce = 4;

/** For the values of any one block. */
export const roomForBlock = ({ size }: VectorCodec): Float32Array => new Float32Array(Math.min(size, blockElements));

/** What may lie before a chunk in the memory of its frame. */
const mostHeaderBytes = 1024;
const leastChunkBytes = 128 * 1024;

/**
 * Large chunks come in memory of their own, with their frame's header: given back at once, it does not add up to hundreds of
 * megabytes between two collections of garbage.
 */
const ownsMemory = (chunk: Uint8Array): boolean =>
  chunk.length >= leastChunkBytes && chunk.buffer.byteLength - chunk.length <= mostHeaderBytes;

export class Upload {
  readonly #kind: UploadKind;
  readonly #keep: Keep;
  #sums: Sums | undefined;
  /** Sums that hold blocks of it still, though it should not be in them any more, and how far it has left them. */
  #leaving: Sums | undefined;
  #left: Cursor = { segment: 0, at: 0 };
  /** Encoded bytes of the segment under way, when it does not come in one chunk. */
  #partial: Uint8Array | undefined;
  #partialBytes = 0;
  /** Segments that have come whole, and how far they were decoded for the present sums. */
  #segments = 0;
  #decoded: Cursor = { segment: 0, at: 0 };
  /** Pieces that may still be folded with the chunk that has come. */
  #pieces = 0;
  /** Blocks in the sums. */
  #blocks = 0;
  /** The block under way, when its segments end within it. */
  #assembled: Float32Array | undefined;
  #squaredNorm = 0;
  #dropped = false;
  #sealed = false;
  #receivedBytes = 0;

  constructor(kind: UploadKind) {
    this.#kind = kind;
    this.#keep = new Keep(kind.budget);
  }

  /** Bytes that came so far. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Whether it can no longer be taken out. */
  get sealed(): boolean {
    return this.#sealed;
  }

  /** Whether it has sums to go into. */
  get folding(): boolean {
    return this.#sums !== undefined;
  }

  /** Whether all that came whole is in the sums. */
  get isFolded(): boolean {
    return this.#sums !== undefined && this.#leaving === undefined && this.#decoded.segment === this.#segments;
  }

  /** Whether it is there to the last block, in the sums. */
  get isWhole(): boolean {
    return this.isFolded && this.#blocks === blockCount(this.#kind.codec.size);
  }

  get dropped(): boolean {
    return this.#dropped;
  }

  /** Whether something of it is in sums that it has been taken from: `leave` takes it out. */
  get isLeaving(): boolean {
    return this.#leaving !== undefined;
  }

  /** Takes in the next bytes, which are the upload's own from now on. Returns what is wrong with them, if anything. */
  push(chunk: Uint8Array): Reason | undefined {
    const keep = this.#keep;
    const held = keep.memoryBytes;
    this.#pieces = piecesAtOnce;
    const problem = this.#cut(chunk);
    if (ownsMemory(chunk)) {
      void keep.written.then(() => {
        // None of it is kept where it lies.
        if (keep.memoryBytes <= held) letGo(chunk);
      });
    }
    return problem;
  }

  #cut(chunk: Uint8Array): Reason | undefined {
    this.#receivedBytes += chunk.length;
    for (let offset = 0; offset < chunk.length;) {
      const wanted = this.#kind.codec.segments[this.#segments]?.bytes ?? 0;
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
    if (!this.isWhole) throw new Error("an upload was sealed before its last block");
    this.#sealed = true;
    if (!this.#kind.retains) this.#keep.release();
  }

  /** The round is over: nothing of it is needed any more. */
  release(): void {
    this.#keep.release();
  }

  /** Decodes a block of a whole upload that was retained. */
  read(block: number, out: Float32Array): void {
    const { segments } = this.#kind.codec;
    const from = block * blockElements;
    const to = from + out.length;
    let low = 0;
    for (let high = segments.length; low < high;) {
      const middle = (low + high) >> 1;
      if ((segments[middle]?.end ?? 0) <= from) low = middle + 1;
      else high = middle;
    }
    for (let segment = low; segment < segments.length; segment++) {
      const { start, end } = segments[segment]!;
      if (start >= to) break;
      const at = Math.max(start, from);
      const part = out.subarray(at - from, Math.min(end, to) - from);
      this.#kind.codec.decodeSegment(segment, this.#keep.at(segment), part, at - start);
    }
  }

  /** From now on it goes into these sums; what came before follows by `catchUp`. */
  fold(sums: Sums): void {
    this.hold();
    this.#sums = sums;
  }

  /** Keeps what came and comes; what was folded in is to `leave`. */
  hold(): void {
    if (this.#blocks > 0) this.#leaving ??= this.#sums;
    this.#sums = undefined;
  }

  /** Lets go of it, once what was folded in has left. */
  drop(): void {
    if (this.#dropped) return;
    this.hold();
    this.#dropped = true;
    if (!this.isLeaving) this.#keep.release();
  }

  /** The sums that it was to leave are empty. */
  hasLeft(): void {
    this.#leaving = undefined;
    this.#left = { segment: 0, at: 0 };
    this.#blocks = 0;
    this.#decoded = { segment: 0, at: 0 };
    this.#squaredNorm = 0;
    if (this.#dropped) this.#keep.release();
  }

  /** Takes the next block, or part of one, out of the sums that it is to leave. */
  leave(): void {
    if (this.#leaving === undefined) return;
    const { combination, weight } = this.#leaving;
    const whole = this.#decodeNext(this.#left, this.#keep.at(this.#left.segment), combination);
    if (whole === undefined) return;
    combination.subtract(whole.block, whole.values, weight);
    this.#blocks -= 1;
    // What was found wanting lies behind the last block folded in, and is not decoded again.
    if (this.#blocks === 0) this.hasLeft();
  }

  /** Takes the next block, or part of one, to where it belongs. Returns what is wrong with it, if anything. */
  catchUp(): Reason | undefined {
    if (this.isLeaving) this.leave();
    else if (this.#sums !== undefined && !this.isFolded && this.#mayGoOn(this.#sums)) {
      return this.#foldNext(this.#sums, this.#keep.at(this.#decoded.segment));
    }
    return undefined;
  }

  /** A segment has come whole. */
  #take(bytes: Uint8Array): Reason | undefined {
    // Kept first: the blocks that were folded before one is found wanting have to be taken out again.
    this.#keep.push(bytes);
    const isNext = this.isFolded && this.#sums !== undefined && this.#mayGoOn(this.#sums);
    this.#segments += 1;
    if (!isNext || this.#sums === undefined) return undefined;
    while (this.#decoded.segment < this.#segments && this.#pieces > 0) {
      this.#pieces -= 1;
      const problem = this.#foldNext(this.#sums, bytes);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  #mayGoOn({ mayBegin }: Sums): boolean {
    return this.#decoded.at > 0 || mayBegin();
  }

  /** @param bytes of the segment that is next */
  #foldNext({ combination, weight }: Sums, bytes: Uint8Array): Reason | undefined {
    try {
      const whole = this.#decodeNext(this.#decoded, bytes, combination);
      return whole && this.#add(whole.block, whole.values, { combination, weight });
    } catch (error) {
      // Bytes that no encoder makes, and whatever the sums cannot hold exactly, are the sender's fault, never the run's.
      if (error instanceof VectorError) return { code: error.code, text: error.message };
      throw error;
    }
  }

  #add(
    block: number,
    values: Float32Array,
    { combination, weight }: Pick<Sums, "combination" | "weight">,
  ): Reason | undefined {
    const { normBound } = this.#kind;
    let squares: number;
    try {
      squares = combination.add(block, values, weight);
      this.#blocks += 1;
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      squares = squaredNorm(values);
    }
    this.#squaredNorm += squares;
    // Written so that NaN fails.
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

  /**
   * Decodes on, to the end of the segment or of a block, whichever comes first. Returns the block that this completes, whose
   * values are overwritten by the next; those that come whole are decoded where the combination takes them without a copy.
   */
  #decodeNext(
    cursor: Cursor,
    bytes: Uint8Array,
    combination: Combination,
  ): { readonly block: number; readonly values: Float32Array } | undefined {
    const { codec } = this.#kind;
    const { segment, at } = cursor;
    const { start, end } = codec.segments[segment] ?? { start: 0, end: 0 };
    const block = Math.floor(at / blockElements);
    const blockStart = block * blockElements;
    const blockEnd = Math.min(blockStart + blockElements, codec.size);
    const until = Math.min(end, blockEnd);
    const isWhole = at === blockStart && until === blockEnd;
    const room = isWhole ? combination.room(block) : (this.#assembled ??= roomForBlock(codec));
    codec.decodeSegment(segment, bytes, room.subarray(at - blockStart, until - blockStart), at - start);
    cursor.at = until;
    if (until === end) cursor.segment += 1;
    return until === blockEnd ? { block, values: room.subarray(0, blockEnd - blockStart) } : undefined;
  }
}
