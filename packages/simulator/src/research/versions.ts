/** Versions of the model as workers decode them: once for all that were sent the same bytes. */
import type { MessageOf } from "@weft/protocol";
import { decodeVector, type VectorCodec } from "@weft/vector";

interface Known {
  readonly payload: readonly Uint8Array[];
  values: Float32Array | undefined;
}

/** Versions kept: orders of a buffered pace may be on older ones. */
const keptVersions = 64;

export class Versions {
  readonly #codec: VectorCodec;
  readonly #known = new Map<string, Known>();

  constructor(codec: VectorCodec) {
    this.#codec = codec;
  }

  note({ hash, offset = 0 }: MessageOf<"weights">, payload: readonly Uint8Array[]): void {
    if (this.#known.has(hash)) return;
    if (offset > 0) throw new Error("a simulated worker holds no part of a version");
    this.#known.set(hash, { payload, values: undefined });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= keptVersions) break;
      this.#known.delete(oldest);
    }
  }

  /** The base of an order, in memory that threads may share. */
  of({ version, versionHash }: MessageOf<"work">): Float32Array {
    const known = this.#known.get(versionHash);
    if (known === undefined) throw new Error(`an order came on version ${version}, which was never sent`);
    if (known.values === undefined) {
      known.values = new Float32Array(new SharedArrayBuffer(4 * this.#codec.size));
      decodeVector(this.#codec, joined(known.payload), known.values);
    }
    return known.values;
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
