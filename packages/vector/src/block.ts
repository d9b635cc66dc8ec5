/** The blocks that a flat vector is cut into: the unit of sending, summing, clipping, compressing and hashing. */
import { LengthError } from "./errors.ts";

/** Elements of every block but the last, which may be shorter. */
export const blockElements = 65536;

/** Number of blocks of a vector of `size` elements; none for an empty one. */
export function blockCount(size: number): number {
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new LengthError(`a vector's size is a non-negative integer, got ${size}`);
  }
  return Math.ceil(size / blockElements);
}

/**
 * Elements [start, end) of block `index`.
 *
 * @throws {LengthError} when the vector has no such block
 */
export function blockRange(size: number, index: number): { readonly start: number; readonly end: number } {
  const blocks = blockCount(size);
  if (!Number.isInteger(index) || index < 0 || index >= blocks) {
    throw new LengthError(`block ${index} of a vector of ${size} elements: expected an integer in 0..${blocks - 1}`);
  }
  const start = index * blockElements;
  return { start, end: Math.min(start + blockElements, size) };
}
