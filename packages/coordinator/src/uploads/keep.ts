/**
 * Keeps the blocks of an upload until it is complete, so that it can be taken out of the sums again: in memory up to a
 * budget, then on disk, and where the disk has no room in memory all the same.
 */
import { close, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Memory that all uploads share. */
export class KeepBudget {
  readonly limitBytes: number;
  usedBytes = 0;
  #read = new Uint8Array();

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** To read into, until the next call: uploads that are moved leave no garbage of their size. */
  room(bytes: number): Uint8Array {
    if (this.#read.length < bytes) this.#read = new Uint8Array(bytes);
    return this.#read.subarray(0, bytes);
  }
}

interface Spill {
  /** What is to be removed in the end, where the system does not remove what is open. */
  readonly directory: string | undefined;
  readonly file: number;
  bytes: number;
}

type Place = Uint8Array | { readonly start: number; readonly length: number };

export class Keep {
  readonly #budget: KeepBudget;
  readonly #places: Place[] = [];
  #memoryBytes = 0;
  #spill: Spill | undefined;

  constructor(budget: KeepBudget) {
    this.#budget = budget;
  }

  /** Bytes held in memory, where they lay when they came. */
  get memoryBytes(): number {
    return this.#memoryBytes;
  }

  /** Keeps `bytes`: if `memoryBytes` has grown by them, they must not change any more. */
  push(bytes: Uint8Array): void {
    const fits = this.#budget.usedBytes + bytes.length <= this.#budget.limitBytes;
    if (!(fits && this.#spill === undefined) && this.#write(bytes)) return;
    this.#places.push(bytes);
    this.#memoryBytes += bytes.length;
    this.#budget.usedBytes += bytes.length;
  }

  /** Whether the disk took it. */
  #write(bytes: Uint8Array): boolean {
    try {
      this.#spill ??= openSpill();
      const { file, bytes: start } = this.#spill;
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at, bytes.length - at, start + at);
      this.#places.push({ start, length: bytes.length });
      this.#spill.bytes += bytes.length;
      return true;
    } catch (error) {
      if (!hasNoRoom(error)) throw error;
      return false;
    }
  }

  /** The block that came at this place; it may be overwritten by the next that is asked for. */
  at(index: number): Uint8Array {
    const place = this.#places[index];
    if (place instanceof Uint8Array) return place;
    if (place === undefined || this.#spill === undefined) throw new Error(`no block ${index} was kept`);
    const bytes = this.#budget.room(place.length);
    readSync(this.#spill.file, bytes, 0, place.length, place.start);
    return bytes;
  }

  release(): void {
    this.#budget.usedBytes -= this.#memoryBytes;
    this.#memoryBytes = 0;
    this.#places.length = 0;
    if (this.#spill === undefined) return;
    const { file, directory } = this.#spill;
    this.#spill = undefined;
    // Giving back the pages of a large file takes ten milliseconds: another thread's.
    close(file, () => {
      if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
    });
  }
}

const hasNoRoom = (error: unknown) =>
  ["ENOSPC", "EDQUOT", "EROFS", "EACCES", "ENOENT"].includes((error as NodeJS.ErrnoException).code ?? "");

function openSpill(): Spill {
  const directory = mkdtempSync(join(tmpdir(), "weft-upload-"));
  const file = openSync(join(directory, "blocks"), "w+");
  return { directory: isRemoved(directory) ? undefined : directory, file, bytes: 0 };
}

/** At once, so that nothing is left however the process ends; the file lives on as long as it is open. */
function isRemoved(directory: string): boolean {
  try {
    rmSync(directory, { recursive: true, force: true });
    return true;
  } catch {
    return false; // As on Windows.
  }
}
