/** Versions of the model as workers decode them: once for all that were sent the same bytes. */
import type { MessageOf } from "@weft/protocol";
import { decodeVector } from "@weft/vector";
import { applyVersionDelta, type CheckedJob } from "@weft/worker";

interface Known {
  readonly version: number;
  /** Encoded. */
  readonly bytes: Uint8Array;
  values: Float32Array | undefined;
}

/** Versions kept: orders of a buffered pace may be on older ones. */
const keptVersions = 64;

export class Versions {
  readonly #job: CheckedJob;
  readonly #known = new Map<string, Known>();

  constructor(job: CheckedJob) {
    this.#job = job;
  }

  note({ version, hash, delta, offset = 0 }: MessageOf<"weights">, payload: readonly Uint8Array[]): void {
    if (this.#known.has(hash)) return;
    if (offset > 0) throw new Error("a simulated worker holds no part of a version");
    const sent = joined(payload);
    const bytes = delta === undefined ? sent : this.#applied(sent, { from: delta.from, version });
    this.#known.set(hash, { version, bytes, values: undefined });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= keptVersions) break;
      this.#known.delete(oldest);
    }
  }

  #applied(delta: Uint8Array, { from, version }: { readonly from: number; readonly version: number }): Uint8Array {
    const base = [...this.#known.values()].findLast((known) => known.version === from)?.bytes;
    if (base === undefined)
      throw new Error(`version ${version} came as its difference from ${from}, which is not known`);
    const bytes = new Uint8Array(base.length);
    const parts = applyVersionDelta(this.#job, delta, { from, version, base, bytes });
    while (parts.next().done !== true);
    return bytes;
  }

  /** The base of an order, in memory that threads may share. */
  of({ version, versionHash }: MessageOf<"work">): Float32Array {
    const known = this.#known.get(versionHash);
    if (known === undefined) throw new Error(`an order came on version ${version}, which was never sent`);
    if (known.values === undefined) {
      const { down } = this.#job.codecs;
      known.values = new Float32Array(new SharedArrayBuffer(4 * down.size));
      decodeVector(down, known.bytes, known.values);
    }
    return known.values;
  }
}

const joined = (parts: readonly Uint8Array[]): Uint8Array =>
  parts.length === 1 ? (parts[0] ?? new Uint8Array()) : Buffer.concat(parts);
