/** From the encoded bytes of one version and what was sent of another to that other: code by code, fragment by fragment, or both. */
import { applyDelta, DeltaError, withinRanges } from "@weft/vector";
import { type Fragmented, fragmentsSince } from "./fragments.ts";

/** Between two versions: `base` is `from` as it was encoded, and `bytes` room for `version`. */
export interface VersionStep {
  readonly from: number;
  readonly version: number;
  readonly base: Uint8Array;
  readonly bytes: Uint8Array;
}

/**
 * Writes the version, and pauses now and then.
 *
 * @throws {DeltaError} for bytes that are no delta between these versions
 */
export function* applyVersionDelta(
  job: Fragmented,
  delta: Uint8Array,
  { from, version, base, bytes }: VersionStep,
): Generator<void, void, undefined> {
  if (job.fragments.length === 1) {
    yield* applyDelta(job.codecs.down, delta, { from: base, to: bytes });
    return;
  }
  const changed = fragmentsSince(job, { from, version });
  const expected = changed.reduce((sum, { encoded }) => sum + encoded.to - encoded.from, 0);
  if (delta.length > expected) {
    throw new DeltaError(
      `fragments of at most ${expected} bytes lead from version ${from} to ${version}, got ${delta.length}`,
    );
  }
  bytes.set(base);
  if (delta.length < expected) {
    yield* applyDelta(withinRanges(job.codecs.down, changed), delta, { from: base, to: bytes });
    return;
  }
  let at = 0;
  for (const { encoded } of changed) {
    const length = encoded.to - encoded.from;
    bytes.set(delta.subarray(at, at + length), encoded.from);
    at += length;
    yield;
  }
}
