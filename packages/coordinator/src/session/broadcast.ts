/** The newest version as it goes out: encoded and hashed once, its bytes shared by all who are sent it. */
import { hash } from "node:crypto";
import type { JobDocument } from "@weft/protocol";
import { blockCount, blockRange, codecOf } from "@weft/vector";

export interface Broadcast {
  readonly version: number;
  readonly codec: JobDocument["codec"];
  readonly bytes: Uint8Array;
  /** SHA-256 of the bytes: names the version to workers and in the run's record. */
  readonly hash: string;
}

/** Weights in f32 are sent from where they lie, so they must not change any more. */
export function encodeBroadcast(version: number, weights: Float32Array, codecName: JobDocument["codec"]): Broadcast {
  const bytes = codecName === "f32" ? asBytes(weights) : encodeBlocks(weights, codecName);
  return { version, codec: codecName, bytes, hash: hash("sha256", bytes, "hex") };
}

/** Every engine that Weft runs on is little-endian, as the wire is. */
const asBytes = ({ buffer, byteOffset, byteLength }: Float32Array) => new Uint8Array(buffer, byteOffset, byteLength);

function encodeBlocks(weights: Float32Array, codecName: JobDocument["codec"]): Uint8Array {
  const codec = codecOf(codecName);
  const bytes = new Uint8Array(codec.encodedBytes(weights.length));
  for (let block = 0; block < blockCount(weights.length); block++) {
    const { start, end } = blockRange(weights.length, block);
    codec.encode(weights.subarray(start, end), bytes.subarray(codec.encodedBytes(start), codec.encodedBytes(end)));
  }
  return bytes;
}
