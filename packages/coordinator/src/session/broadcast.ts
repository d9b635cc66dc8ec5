/** The newest version as it goes out: encoded and hashed once, its bytes shared by all who are sent it. */
import { hash } from "node:crypto";
import { encodeVector, type VectorCodec } from "@weft/vector";

export interface Broadcast {
  readonly version: number;
  /** As `codecText` gives it. */
  readonly codec: string;
  readonly bytes: Uint8Array;
  /** SHA-256 of the bytes: names the version to workers and in the run's record. */
  readonly hash: string;
}

/** Weights in f32 are sent from where they lie, so they must not change any more. */
export function encodeBroadcast(version: number, weights: Float32Array, codec: VectorCodec): Broadcast {
  const bytes = codec.spec.kind === "f32" ? asBytes(weights) : encodeVector(codec, weights, { seed: 0 }).bytes;
  return { version, codec: codec.text, bytes, hash: hash("sha256", bytes, "hex") };
}

/** Every engine that Weft runs on is little-endian, as the wire is. */
const asBytes = ({ buffer, byteOffset, byteLength }: Float32Array) => new Uint8Array(buffer, byteOffset, byteLength);
