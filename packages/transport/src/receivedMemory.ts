/**
 * Gives the memory of what a socket has read back at once. Every 64 KiB that come lie in memory of their own, which `ws` copies
 * frames out of; left to the garbage collector, it adds up to a hundred megabytes and more between two collections.
 */

/** Frames, or parts of them, up to this size may be views of what the socket has read; they are copied out of it. */
const smallBytes = 4096;

/** Of the many sockets that have nothing to read. */
const none: readonly ArrayBuffer[] = [];

export class ReceivedMemory {
  /** Read, and perhaps not copied yet to the last byte. */
  #chunks = none;
  /** What somebody else looks at since the last chunk. */
  #shared: readonly ArrayBufferLike[] = none;
  #messageEnded = false;
  #isLeft = false;
  #isOver = false;

  /** A message has ended; returns a part of it as it may be kept. */
  keep(part: Uint8Array): Uint8Array {
    this.#messageEnded = true;
    if (part.length <= smallBytes) return new Uint8Array(part);
    this.#shared = [...this.#shared, part.buffer];
    return part;
  }

  /** Something of what is held, up to the next chunk, has gone its own way: none of it is given back. */
  leave(): void {
    this.#isLeft = true;
  }

  /** Nothing is cut into messages any more, so nothing would ever be given back. */
  end(): void {
    this.#isOver = true;
    this.#chunks = none;
  }

  /** What cuts messages out of chunks has been given this one. If a message ended within it, all before it has been used up. */
  passed(chunk: Uint8Array): void {
    if (this.#isOver) return;
    const { buffer } = chunk;
    if (this.#isLeft) this.#chunks = none;
    if (this.#messageEnded) {
      for (const before of this.#chunks) if (!this.#shared.includes(before)) before.transfer(0);
      this.#chunks = none;
    }
    const isOwn = buffer instanceof ArrayBuffer && buffer.byteLength === chunk.length;
    // Of what comes in small pieces there is little, and it would be many.
    const isHeld = isOwn && chunk.length > smallBytes && !this.#isLeft && !this.#shared.includes(buffer);
    if (isHeld) this.#chunks = [...this.#chunks, buffer];
    this.#shared = none;
    this.#messageEnded = false;
    this.#isLeft = false;
  }
}
