/** Growing output and checked input of bytes: variable-length whole numbers (unsigned LEB128), doubles, raw blocks. */
import { ProgramError } from "./errors.ts";

/** Bytes of a number of 53 bits, 7 in each. */
const longestNatural = 8;

export class ByteWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  natural(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new ProgramError(`encode: ${value} is not a whole number ≥ 0`);
    this.#reserve(longestNatural);
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
    this.#bytes[this.#length++] = rest;
  }

  double(value: number): void {
    this.#reserve(8);
    new DataView(this.#bytes.buffer).setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** What was written, as a fresh array. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + count));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

/** Reads hostile bytes: never past the end, never more than is there. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get offset(): number {
    return this.#offset;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  /** A whole number of at most `limit`, in its shortest form. */
  natural(limit: number, what: string): number {
    let value = 0;
    for (let factor = 1; ; factor *= 0x80) {
      const byte = this.#view.getUint8(this.#advance(1, what));
      value += (byte % 0x80) * factor;
      if (value > limit) throw this.error(`${what} is ${value} or more, the limit is ${limit}`);
      if (byte < 0x80) {
        if (byte === 0 && factor > 1) throw this.error(`${what} is not written in its shortest form`);
        return value;
      }
      if (factor > limit) throw this.error(`${what} is too long a number`);
    }
  }

  /** How many items follow, each of at least one byte. */
  count(what: string): number {
    return this.natural(this.remaining, `the number of ${what}`);
  }

  double(what: string): number {
    return this.#view.getFloat64(this.#advance(8, what), true);
  }

  /** A view of the next bytes. */
  raw(length: number, what: string): Uint8Array {
    const start = this.#advance(length, what);
    return this.#bytes.subarray(start, start + length);
  }

  error(problem: string, cause?: unknown): ProgramError {
    return new ProgramError(
      `decode: ${problem}, at byte ${this.#offset} of ${this.#bytes.length}; expected the bytes of a Program, as encode made them`,
      { cause },
    );
  }

  #advance(length: number, what: string): number {
    if (length > this.remaining) throw this.error(`the bytes end within ${what}`);
    const start = this.#offset;
    this.#offset += length;
    return start;
  }
}
