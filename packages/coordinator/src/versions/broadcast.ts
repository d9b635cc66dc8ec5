/** The newest version as it goes out: encoded and hashed once, its bytes shared by all who are sent it. */
import { createHash } from "node:crypto";
import { loopTurns } from "@weft/transport";
import type { VectorCodec } from "@weft/vector";
import type { Delta } from "./deltas.ts";

export interface Broadcast {
  readonly version: number;
  /** As `codecText` gives it. */
  readonly codec: string;
  readonly bytes: Uint8Array;
  /** SHA-256 of the bytes: names the version to workers and in the run's record. */
  readonly hash: string;
  /** Shorter ways to it, by the hash of the version that they lead on from. */
  readonly deltas: ReadonlyMap<string, Delta>;
}

/** Encoded and hashed at once in a slice of a turn of the event loop. */
const sliceBytes = 256 * 1024;

/** Sockets and timers have their turn meanwhile. Weights in f32 are sent from where they lie, so they must not change any more. */
export async function encodeBroadcastInTurns(
  version: number,
  weights: Float32Array,
  codec: VectorCodec,
): Promise<Broadcast> {
  const isPlain = codec.spec.kind === "f32";
  const bytes = isPlain ? asBytes(weights) : new Uint8Array(codec.encodedBytes);
  const hash = createHash("sha256");
  let hashedBytes = 0;
  for (const [index, { start, end, offset, bytes: length }] of codec.segments.entries()) {
    const encoded = bytes.subarray(offset, offset + length);
    if (!isPlain) codec.encodeSegment(index, weights.subarray(start, end), encoded, { seed: 0, basis: undefined });
    if (offset + length - hashedBytes < sliceBytes) continue;
    hash.update(bytes.subarray(hashedBytes, offset + length));
    hashedBytes = offset + length;
    if (hashedBytes < bytes.length) await loopTurns.next();
  }
  hash.update(bytes.subarray(hashedBytes));
  return { version, codec: codec.text, bytes, hash: hash.digest("hex"), deltas: new Map() };
}

/** Every engine that Weft runs on is little-endian, as the wire is. */
const asBytes = ({ buffer, byteOffset, byteLength }: Float32Array) => new Uint8Array(buffer, byteOffset, byteLength);
