/**
 * Large payloads from the coordinator, each named by its hash: hashed as they come, and gone on with where a connection
 * broke. What came of those is kept from one session to the next.
 */
import type { IncomingPayload } from "@weft/transport";
import { ConnectionError } from "@weft/transport";
import { createDigest } from "#digest";
import type { Digest } from "./digest/digest.ts";
import type { OnTransfer } from "./transferProgress.ts";

/** A job and a version; more would be left over from what nobody wants any more. */
const keptParts = 2;

interface Part {
  readonly bytes: Uint8Array;
  readonly digest: Digest;
  filled: number;
  /** Changes with each connection: a reader of an earlier one has no say any more. */
  turn: number;
}

/** The bytes are not those announced. */
export class AlteredError extends Error {
  override get name(): string {
    return "AlteredError";
  }
}

export class Downloads {
  readonly #parts = new Map<string, Part>();
  readonly #onProgress: OnTransfer | undefined;

  constructor(onProgress?: OnTransfer) {
    this.#onProgress = onProgress;
  }

  /** What broke off, for the coordinator to send the rest; readers of earlier connections stop. */
  held(): { readonly hash: string; readonly bytes: number }[] {
    for (const part of this.#parts.values()) part.turn += 1;
    return [...this.#parts].flatMap(([hash, { filled: bytes }]) => (bytes > 0 ? [{ hash, bytes }] : []));
  }

  /**
   * All bytes of the payload that has this hash, of which this one begins at `offset`.
   *
   * @throws {AlteredError} when they have another
   * @throws {ConnectionError} when the connection or the sender ends it first
   */
  async collect(hash: string, payload: IncomingPayload, offset = 0): Promise<Uint8Array> {
    const part = this.#open(hash, offset, offset + payload.bytes);
    const { turn } = part;
    this.#onProgress?.(part.filled, part.bytes.length);
    try {
      for await (const chunk of payload.chunks()) {
        if (part.turn !== turn) throw new ConnectionError("closed", "a newer connection goes on with this payload");
        part.bytes.set(chunk, part.filled);
        part.digest.update(chunk);
        part.filled += chunk.length;
        this.#onProgress?.(part.filled, part.bytes.length);
      }
    } catch (error) {
      if (error instanceof ConnectionError && error.code === "cancelled") this.#parts.delete(hash);
      throw error;
    }
    this.#parts.delete(hash);
    const actual = part.digest.hex();
    if (actual !== hash) throw new AlteredError(`it hashes to ${actual}, ${hash} was announced`);
    return part.bytes;
  }

  #open(hash: string, offset: number, bytes: number): Part {
    const known = this.#parts.get(hash);
    if (known !== undefined && offset > 0 && known.filled === offset && known.bytes.length === bytes) return known;
    if (offset > 0) throw new AlteredError(`it begins at byte ${offset}, which is not where an earlier one ended`);
    const part = { bytes: new Uint8Array(bytes), digest: createDigest(), filled: 0, turn: 0 };
    this.#parts.delete(hash);
    this.#parts.set(hash, part);
    for (const oldest of this.#parts.keys()) {
      if (this.#parts.size <= keptParts) break;
      this.#parts.delete(oldest);
    }
    return part;
  }
}
