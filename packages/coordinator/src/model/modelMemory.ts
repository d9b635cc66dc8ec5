/**
 * The memory of a model that is too large to be held more often than needed: three slabs of its size, one for the version and
 * two for the exact sums of a round. The next version is written where the sums lay, as they are consumed; what held the
 * version before serves the sums that follow. So a run takes three times the model, and nothing waits for a garbage collector.
 */
import { loopTurns } from "@weft/transport";
import { blockElements, createSlab, type Slab, slabBytes } from "@weft/vector";

/** Smaller models are held as is convenient. */
const leastElements = 16 * blockElements;

/** Of an operating system's memory, or a part of one. */
const pageBytes = 4096;
/** Taken from the system in a slice: two milliseconds even where the host of a virtual machine has to find them. */
const pagesAtOnce = 64;

export class ModelMemory {
  readonly size: number;
  #version: Slab;
  /** For sums: the next version goes to the first. */
  #spare: readonly Slab[] = [];
  readonly #touched = new WeakSet<Slab>();

  constructor(size: number) {
    this.size = size;
    this.#version = this.#slab();
  }

  /** The values of the version. */
  get version(): Float32Array {
    return this.#values(this.#version);
  }

  /** For exact sums over the model, whatever they hold now. */
  sums(): readonly Slab[] {
    this.#spare = [this.#spare[0] ?? this.#slab(), this.#spare[1] ?? this.#slab()];
    return this.#spare;
  }

  /**
   * Takes what `sums` lie in from the system, a little in each turn of the event loop: no work on a block then waits for all
   * of its pages. What they hold stays.
   */
  async touch(): Promise<void> {
    for (const slab of this.sums()) {
      if (this.#touched.has(slab)) continue;
      this.#touched.add(slab);
      const bytes = new Uint8Array(slab.buffer, slab.start, slab.bytes);
      for (let at = 0; at < bytes.length; at += pageBytes) {
        bytes[at]! |= 0;
        if ((at / pageBytes) % pagesAtOnce === 0) await loopTurns.next();
      }
    }
  }

  /** Room for the next version, to be filled from the front: element i lies where the sum of an element up to i lay. */
  get next(): Float32Array {
    this.#spare = [this.#spare[0] ?? this.#slab(), ...this.#spare.slice(1)];
    return this.#values(this.#spare[0]!);
  }

  /**
   * What was written to `next` is the version now.
   *
   * @param isRead whether someone may still read the version before: then its memory is left to them
   */
  advance(isRead: boolean): void {
    const [next = this.#slab(), ...others] = this.#spare;
    this.#spare = isRead ? others : [this.#version, ...others];
    this.#version = next;
  }

  #slab(): Slab {
    return createSlab(slabBytes(this.size, 2));
  }

  #values({ buffer, start }: Slab): Float32Array {
    return new Float32Array(buffer, start, this.size);
  }
}

/** Undefined for a model that does not need it. */
export const modelMemory = (size: number): ModelMemory | undefined =>
  size > leastElements ? new ModelMemory(size) : undefined;
