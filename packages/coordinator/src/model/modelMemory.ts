/**
 * The memory of a model that is too large to be held more often than needed: three slabs of its size, one for the version and
 * two for the exact sums of a round. The next version is written where the sums lay, as they are consumed; what held the
 * version before serves the sums that follow. So a run takes three times the model, and nothing waits for a garbage collector.
 */
import { blockElements, createSlab, type Slab, slabBytes } from "@weft/vector";

/** Smaller models are held as is convenient. */
const leastElements = 16 * blockElements;

export class ModelMemory {
  readonly size: number;
  #version: Slab;
  /** For sums: the next version goes to the first. */
  #spare: readonly Slab[] = [];

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
