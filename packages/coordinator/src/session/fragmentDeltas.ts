/**
 * Versions of a job that streams: they differ from earlier ones in the fragments that rounds have brought in since, so these, as they
 * are encoded, lead from one to the other (Douillard et al. 2025, Streaming DiLoCo: what travels of a round is one fragment).
 */
import { createHash } from "node:crypto";
import { fragmentOf } from "@weft/protocol";
import { loopTurns } from "@weft/transport";
import { encodedRange, type VectorCodec } from "@weft/vector";
import type { ElementRange } from "../model/layout.ts";
import type { Delta, EncodedVersion, IsHeld, VersionDeltas } from "./deltas.ts";

/** Workers hold the newest two versions. */
const keptVersions = 2;
/** Between two turns of the event loop: a millisecond or two. */
const hashedAtOnce = 1024 * 1024;

export class FragmentDeltas implements VersionDeltas {
  readonly #ranges: readonly { readonly from: number; readonly to: number }[];
  /** Hashes of earlier versions. */
  #versions: { readonly version: number; readonly hash: string }[] = [];

  constructor(codec: VectorCodec, fragments: readonly ElementRange[]) {
    this.#ranges = fragments.map((range) => encodedRange(codec, range));
  }

  keep({ version, hash }: EncodedVersion): void {
    this.#versions = [{ version, hash }, ...this.#versions].slice(0, keptVersions);
  }

  async deltasTo(to: EncodedVersion, isHeld: IsHeld): Promise<ReadonlyMap<string, Delta>> {
    const deltas = new Map<string, Delta>();
    for (const [index, { version: from, hash }] of this.#versions.entries()) {
      // Whoever holds a newer one is served with less.
      const newer = this.#versions[index - 1]?.hash;
      if (to.version - from >= this.#ranges.length || !isHeld(hash, newer)) continue;
      const bytes = this.#between(from, to);
      deltas.set(hash, { from, bytes, hash: await hashOf(bytes) });
    }
    return deltas;
  }

  /** The fragments that rounds after `from` have brought in, in their order within the vector, in memory of their own. */
  #between(from: number, { version, bytes }: EncodedVersion): Uint8Array {
    const changed = new Set(
      Array.from({ length: version - from }, (_, i) => fragmentOf(from + 1 + i, this.#ranges.length)),
    );
    return Buffer.concat(
      this.#ranges.flatMap((range, fragment) => (changed.has(fragment) ? [bytes.subarray(range.from, range.to)] : [])),
    );
  }
}

async function hashOf(bytes: Uint8Array): Promise<string> {
  const hash = createHash("sha256");
  for (let at = 0; at < bytes.length; at += hashedAtOnce) {
    if (at > 0) await loopTurns.next();
    hash.update(bytes.subarray(at, at + hashedAtOnce));
  }
  return hash.digest("hex");
}
