/**
 * Keeps the blocks of an upload until it is complete, so that it can be taken out of the sums again: in memory up to a
 * budget, then on disk, and where the disk has no room in memory all the same. Other threads write; where they fall behind, no
 * more is read from sockets meanwhile, so that what is to be written does not pile up.
 */
import { socketTurns } from "@weft/transport";
import { Spill } from "./spill.ts";

/** With more than this on its way to the disk, of all uploads together, it is behind. */
const backlogBytes = 2 * 1024 * 1024;

/** Memory that all uploads share. */
export class KeepBudget {
  readonly limitBytes: number;
  usedBytes = 0;
  /** On their way to the disk. */
  unwrittenBytes = 0;
  #read = new Uint8Array();

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** To read into, until the next call: uploads that are moved leave no garbage of their size. */
  room(bytes: number): Uint8Array {
    if (this.#read.length < bytes) this.#read = new Uint8Array(bytes);
    return this.#read.subarray(0, bytes);
  }

  get isBehind(): boolean {
    return this.unwrittenBytes > backlogBytes;
  }
}

type Place = Uint8Array | { readonly start: number; readonly length: number };

export class Keep {
  readonly #budget: KeepBudget;
  readonly #places: Place[] = [];
  #memoryBytes = 0;
  #spill: Spill | undefined;
  #failure: { readonly error: unknown } | undefined;
  #written: Promise<void> = Promise.resolve();

  constructor(budget: KeepBudget) {
    this.#budget = budget;
  }

  /**
   * Keeps `bytes`, which must not change any more until they are `written`, or ever, if `memoryBytes` has grown by then.
   *
   * @throws what the disk has failed with, want of room apart
   */
  push(bytes: Uint8Array): void {
    if (this.#failure !== undefined) throw this.#failure.error;
    const place = this.#places.push(bytes) - 1;
    const fits = this.#budget.usedBytes + bytes.length <= this.#budget.limitBytes;
    const spill = fits && this.#spill === undefined ? undefined : this.#opened();
    if (spill === undefined) this.#hold(bytes);
    else {
      this.#written = this.#write(bytes, place, spill);
      if (this.#budget.isBehind) socketTurns.barBulk(this.#written);
    }
  }

  /** Bytes that stay in memory, where they lay when they came. */
  get memoryBytes(): number {
    return this.#memoryBytes;
  }

  /** Resolves when nothing that was pushed so far is on its way to the disk. */
  get written(): Promise<void> {
    return this.#written;
  }

  #hold({ length }: Uint8Array): void {
    this.#memoryBytes += length;
    this.#budget.usedBytes += length;
  }

  /** Undefined where there is no room for a file. */
  #opened(): Spill | undefined {
    try {
      return (this.#spill ??= new Spill());
    } catch (error) {
      if (!hasNoRoom(error)) throw error;
      return undefined;
    }
  }

  async #write(bytes: Uint8Array, place: number, spill: Spill): Promise<void> {
    const { length } = bytes;
    const before = this.#written;
    this.#budget.unwrittenBytes += length;
    try {
      const start = await spill.write(bytes);
      if (this.#spill === spill) this.#places[place] = { start, length };
    } catch (error) {
      if (!hasNoRoom(error)) this.#failure = { error };
      if (this.#spill === spill) this.#hold(bytes);
    } finally {
      this.#budget.unwrittenBytes -= length;
      await before;
    }
  }

  /** The block that came at this place; it may be overwritten by the next that is asked for. */
  at(index: number): Uint8Array {
    const place = this.#places[index];
    if (place instanceof Uint8Array) return place;
    if (place === undefined || this.#spill === undefined) throw new Error(`no block ${index} was kept`);
    const bytes = this.#budget.room(place.length);
    this.#spill.read(bytes, place.start);
    return bytes;
  }

  release(): void {
    this.#budget.usedBytes -= this.#memoryBytes;
    this.#memoryBytes = 0;
    this.#places.length = 0;
    this.#spill?.close();
    this.#spill = undefined;
  }
}

const hasNoRoom = (error: unknown) =>
  ["ENOSPC", "EDQUOT", "EROFS", "EACCES", "ENOENT"].includes((error as NodeJS.ErrnoException).code ?? "");
