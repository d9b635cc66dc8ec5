/** A growing byte string with the number encodings of the WebAssembly binary format (LEB128, little-endian floats). */
export class ByteWriter {
  #bytes = new Uint8Array(1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  bytes(values: ArrayLike<number>): void {
    const { length } = values;
    this.#reserve(length);
    // Most are instructions of a few bytes, which a loop copies faster than `set`.
    for (let i = 0; i < length; i++) this.#bytes[this.#length + i] = values[i]!;
    this.#length += length;
  }

  /** Unsigned LEB128. */
  u32(value: number): void {
    this.bytes(leb128(value));
  }

  /** A length, then that many bytes. */
  sized(values: ArrayLike<number>): void {
    this.u32(values.length);
    this.bytes(values);
  }

  /** ASCII. */
  name(text: string): void {
    this.sized(Array.from(text, (character) => character.charCodeAt(0)));
  }

  toBytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  #reserve(extra: number): void {
    if (this.#length + extra <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + extra));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

/** Unsigned LEB128 of a 32-bit number. */
export function leb128(value: number): number[] {
  const bytes: number[] = [];
  let rest = value >>> 0;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  bytes.push(rest);
  return bytes;
}

/** Signed LEB128 of a 32-bit number. */
export function signedLeb128(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value | 0; ; rest >>= 7) {
    const low = rest & 0x7f;
    bytes.push(low);
    if (rest >> 6 === 0 || rest >> 6 === -1) return bytes;
    bytes[bytes.length - 1] = low | 0x80;
  }
}

/** The bytes of a float, little-endian. */
export function floatBytes(value: number, width: 4 | 8): number[] {
  const view = new DataView(new ArrayBuffer(width));
  if (width === 4) view.setFloat32(0, value, true);
  else view.setFloat64(0, value, true);
  return [...new Uint8Array(view.buffer)];
}
