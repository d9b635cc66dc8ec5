/** Keeps the blocks of an upload until it is complete, so that it can be taken out of the sums again: in memory up to a budget, then on disk. */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Memory that all uploads share. */
export class KeepBudget {
  readonly limitBytes: number;
  usedBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }
}

interface Spill {
  readonly directory: string;
  readonly file: number;
  bytes: number;
}

export class Keep {
  readonly #budget: KeepBudget;
  #blocks: Uint8Array[] = [];
  #memoryBytes = 0;
  /** Where the blocks on disk lie, which follow those in memory. */
  #spilled: { readonly start: number; readonly length: number }[] = [];
  #spill: Spill | undefined;

  constructor(budget: KeepBudget) {
    this.#budget = budget;
  }

  /** Holds on to `bytes`, which must not change any more. */
  push(bytes: Uint8Array): void {
    const fits = this.#budget.usedBytes + bytes.length <= this.#budget.limitBytes;
    if (fits && this.#spill === undefined) {
      this.#blocks.push(bytes);
      this.#memoryBytes += bytes.length;
      this.#budget.usedBytes += bytes.length;
      return;
    }
    this.#spill ??= openSpill();
    writeSync(this.#spill.file, bytes, 0, bytes.length, this.#spill.bytes);
    this.#spilled.push({ start: this.#spill.bytes, length: bytes.length });
    this.#spill.bytes += bytes.length;
  }

  /** The block that came at this place. */
  at(index: number): Uint8Array {
    const inMemory = this.#blocks[index];
    if (inMemory !== undefined) return inMemory;
    const place = this.#spilled[index - this.#blocks.length];
    if (place === undefined || this.#spill === undefined) throw new Error(`no block ${index} was kept`);
    const bytes = new Uint8Array(place.length);
    readSync(this.#spill.file, bytes, 0, place.length, place.start);
    return bytes;
  }

  release(): void {
    this.#budget.usedBytes -= this.#memoryBytes;
    this.#memoryBytes = 0;
    this.#blocks = [];
    this.#spilled = [];
    if (this.#spill === undefined) return;
    closeSync(this.#spill.file);
    rmSync(this.#spill.directory, { recursive: true, force: true });
    this.#spill = undefined;
  }
}

function openSpill(): Spill {
  const directory = mkdtempSync(join(tmpdir(), "weft-upload-"));
  return { directory, file: openSync(join(directory, "blocks"), "w+"), bytes: 0 };
}
