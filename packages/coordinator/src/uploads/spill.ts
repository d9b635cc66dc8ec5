/** A file for blocks that memory is too small for, gone with the process. */
import { close, mkdtempSync, openSync, readSync, rmSync, write } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class Spill {
  readonly #file: number;
  /** What is to be removed in the end, where the system does not remove what is open. */
  readonly #directory: string | undefined;
  #bytes = 0;
  #underWay = 0;
  #isClosed = false;

  /** @throws where there is no room for it */
  constructor() {
    const directory = mkdtempSync(join(tmpdir(), "weft-upload-"));
    this.#file = openSync(join(directory, "blocks"), "w+");
    this.#directory = isRemoved(directory) ? undefined : directory;
  }

  /** Writes a block, which must not change meanwhile, on another thread; resolves to where it lies. */
  async write(bytes: Uint8Array): Promise<number> {
    const start = this.#bytes;
    this.#bytes += bytes.length;
    this.#underWay += 1;
    try {
      for (let at = 0; at < bytes.length;) at += await writeSome(this.#file, bytes.subarray(at), start + at);
    } finally {
      this.#underWay -= 1;
      this.#closeIfDone();
    }
    return start;
  }

  read(bytes: Uint8Array, start: number): void {
    readSync(this.#file, bytes, 0, bytes.length, start);
  }

  /** At once, or when what is under way has been written. */
  close(): void {
    this.#isClosed = true;
    this.#closeIfDone();
  }

  #closeIfDone(): void {
    if (!this.#isClosed || this.#underWay > 0) return;
    // Giving back the pages of a large file takes ten milliseconds: another thread's.
    close(this.#file, () => {
      if (this.#directory !== undefined) rmSync(this.#directory, { recursive: true, force: true });
    });
  }
}

function writeSome(file: number, bytes: Uint8Array, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(file, bytes, 0, bytes.length, position, (error, written) => {
      if (error === null) resolve(written);
      else reject(error);
    });
  });
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
