/** A file that grows by what is told to it; what cannot be written now is kept a while and written with the next. */
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { StoreError } from "../errors.ts";

/** More than this is not kept for a disk that has no room: what comes next is left out. */
const mostKeptBytes = 4 * 1024 * 1024;

export class AppendedFile {
  readonly #file: number;
  #kept: Uint8Array[] = [];
  #keptBytes = 0;

  /** @throws {StoreError} when it cannot be written at all */
  constructor(path: string, how: "anew" | "on" = "on") {
    try {
      mkdirSync(dirname(path), { recursive: true });
      this.#file = openSync(path, how === "on" ? "a" : "w");
    } catch (cause) {
      throw new StoreError(`${path}: cannot be written (${cause instanceof Error ? cause.message : String(cause)})`, {
        cause,
      });
    }
  }

  append(data: string | Uint8Array): void {
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    if (this.#keptBytes + bytes.length > mostKeptBytes) return;
    this.#kept.push(bytes);
    this.#keptBytes += bytes.length;
    this.#writeKept();
  }

  close(): void {
    this.#writeKept();
    closeSync(this.#file);
  }

  #writeKept(): void {
    for (let next = this.#kept[0]; next !== undefined; next = this.#kept[0]) {
      let written: number;
      try {
        written = writeSync(this.#file, next);
      } catch {
        // Watching must not end what is watched; the run's own store says what is wrong with the disk.
        return;
      }
      this.#keptBytes -= written;
      if (written < next.length) this.#kept[0] = next.subarray(written);
      else this.#kept.shift();
    }
  }
}
