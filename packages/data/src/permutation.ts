/** The order in which an epoch visits its examples: the same everywhere for the same seed. */
import { DataRangeError } from "./errors.ts";
import type { Generator } from "./generator.ts";
import { createGenerator } from "./generator.ts";

/** Every index 0..size-1 once, in the order of this epoch (Fisher–Yates from the end; see generator.ts for the numbers). */
export function permutation(size: number, seed: number, epoch: number): Uint32Array {
  return shuffled(size, createGenerator("shuffle", seed, epoch));
}

export interface SliceOptions {
  readonly epoch: number;
  readonly start: number;
  readonly count: number;
}

/**
 * Entries start..start+count-1 of `permutation(size, seed, epoch)`: what one worker is given to do.
 *
 * @throws {DataRangeError} when the slice passes the end
 */
export function shuffledSlice(size: number, seed: number, { epoch, start, count }: SliceOptions): Uint32Array {
  const whole = Number.isInteger(start) && Number.isInteger(count) && start >= 0 && count >= 0;
  if (!whole || start + count > size) {
    throw new DataRangeError(`examples ${start}..${start + count} are outside an epoch of ${size}; ask for fewer`);
  }
  const key = [size, seed, epoch].join();
  if (last?.key !== key) last = { key, order: permutation(size, seed, epoch) };
  return last.order.slice(start, start + count);
}

/** A worker asks for many slices of one epoch in a row. */
let last: { readonly key: string; readonly order: Uint32Array } | undefined;

export function shuffled(size: number, generator: Generator): Uint32Array {
  if (!Number.isInteger(size) || size < 0 || size >= 2 ** 32) {
    throw new DataRangeError(`expected a size from 0 to 2^32 - 1, got ${size}; count the examples`);
  }
  const order = new Uint32Array(size);
  for (let i = 0; i < size; i++) order[i] = i;
  for (let end = size - 1; end > 0; end--) {
    const other = generator.below(end + 1);
    const moved = order[end]!;
    order[end] = order[other]!;
    order[other] = moved;
  }
  return order;
}
