/**
 * Versions of a job that streams: they differ from earlier ones in the fragments that rounds have brought in since, so these lead from one
 * to the other (Douillard et al. 2025, Streaming DiLoCo: what travels of a round is one fragment): as they are encoded, or, where that is shorter, as
 * differences from what they were.
 */
import { createHash } from "node:crypto";
import { fragmentOf } from "@weft/protocol";
import { loopTurns } from "@weft/transport";
import { encodedRange, type VectorCodec, withinRanges } from "@weft/vector";
import type { ElementRange } from "../model/layout.ts";
import {
  type Delta,
  type EncodedVersion,
  type IsHeld,
  keptBytes,
  shortDelta,
  type VersionDeltas,
  VersionNames,
} from "./deltas.ts";

/** Workers hold the newest two versions. */
const keptVersions = 2;
/** In a slice of a turn of the event loop. */
const hashedAtOnce = 256 * 1024;

interface Earlier {
  readonly version: number;
  readonly hash: string;
  /** Where differences from it may be of use: in full precision they are not. */
  readonly bytes: Uint8Array | undefined;
}

export class FragmentDeltas implements VersionDeltas {
  readonly reach = keptVersions;
  readonly #codec: VectorCodec;
  readonly #fragments: readonly ElementRange[];
  readonly #names = new VersionNames();
  #versions: readonly Earlier[] = [];

  constructor(codec: VectorCodec, fragments: readonly ElementRange[]) {
    this.#codec = codec;
    this.#fragments = fragments;
  }

  keep({ version, hash, bytes }: EncodedVersion): undefined {
    this.#names.note(hash, version);
    const isOfUse = this.#codec.spec.kind !== "f32" && keptVersions * bytes.length <= keptBytes;
    const earlier = { version, hash, bytes: isOfUse ? bytes : undefined };
    this.#versions = [earlier, ...this.#versions].slice(0, keptVersions);
  }

  async deltasTo(to: EncodedVersion, isHeld: IsHeld): Promise<ReadonlyMap<string, Delta>> {
    const deltas = new Map<string, Delta>();
    for (const [index, from] of this.#versions.entries()) {
      // Whoever holds a newer one is served with less.
      const newer = this.#versions[index - 1]?.hash;
      const isNear = to.version - from.version < this.#fragments.length && this.#names.isOf(from.hash, from.version);
      if (!isNear || !isHeld(from.hash, newer)) continue;
      deltas.set(from.hash, { from: from.version, ...(await this.#between(from, to)) });
    }
    return deltas;
  }

  async #between(from: Earlier, to: EncodedVersion): Promise<Pick<Delta, "bytes" | "hash">> {
    const changed = this.#changed(from.version, to.version);
    // In memory of their own.
    const whole = Buffer.concat(
      changed.map((range) => {
        const encoded = encodedRange(this.#codec, range);
        return to.bytes.subarray(encoded.from, encoded.to);
      }),
    );
    const within = withinRanges(this.#codec, changed);
    const shorter = from.bytes && (await shortDelta(within, { from: from.bytes, to: to.bytes }, whole.length));
    return shorter ?? { bytes: whole, hash: await hashOf(whole) };
  }

  /** The fragments that rounds after `from` have brought in, in their order within the vector. */
  #changed(from: number, to: number): ElementRange[] {
    const rounds = Array.from({ length: to - from }, (_, i) => from + 1 + i);
    const changed = new Set(rounds.map((round) => fragmentOf(round, this.#fragments.length)));
    return this.#fragments.filter((_, fragment) => changed.has(fragment));
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
