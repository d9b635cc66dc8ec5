/** Versions as differences from those that workers hold: made once for all of them, and only where that saves bytes. */
import { createHash } from "node:crypto";
import { loopTurns } from "@weft/transport";
import { encodeDelta, type VectorCodec } from "@weft/vector";
import { letGo } from "../model/letGo.ts";

/** A version encoded. */
export interface EncodedVersion {
  readonly version: number;
  readonly bytes: Uint8Array;
  readonly hash: string;
}

export interface Delta {
  /** The version it leads on from. */
  readonly from: number;
  readonly bytes: Uint8Array;
  /** SHA-256 of these bytes. */
  readonly hash: string;
}

/** Earlier versions are kept as far as they fit in this, and no more than so many. */
export const keptBytes = 32 * 1024 * 1024;
const keptVersions = 4;
/** A delta that saves less than this share is not worth its arithmetic on both sides. */
const largestShare = 0.9;

/** Whether somebody holds the version of that hash, and `without` that of another. */
export type IsHeld = (hash: string, without?: string) => boolean;

/** What is known of earlier versions, so that whoever holds one of them need not be sent the newest whole. */
export interface VersionDeltas {
  /** How many versions back one may lie that is led on from: what is held of older ones is of no use. */
  readonly reach: number;
  /** Keeps a version that is about to be followed by another. Returns one that is of no use for deltas any more, if bytes of it were kept. */
  keep(version: EncodedVersion): EncodedVersion | undefined;
  /** Deltas to a version from the earlier ones that somebody holds, by the hash of the earlier one; others have their turn meanwhile. */
  deltasTo(to: EncodedVersion, isHeld: IsHeld): Promise<ReadonlyMap<string, Delta>>;
}

const hashesKept = 4096;

/**
 * Which version a hash stands for. Two may be alike to the last bit, as when nothing is learnt any more or a codec does not show it: then
 * the hash does not say which of them somebody holds.
 */
export class VersionNames {
  /** NaN where there are several. */
  readonly #versions = new Map<string, number>();

  note(hash: string, version: number): void {
    const known = this.#versions.get(hash) ?? version;
    this.#versions.delete(hash);
    this.#versions.set(hash, known === version ? version : NaN);
    for (const oldest of this.#versions.keys()) {
      if (this.#versions.size <= hashesKept) break;
      this.#versions.delete(oldest);
    }
  }

  /** Whether whoever holds what has this hash holds this version. */
  isOf(hash: string, version: number): boolean {
    return this.#versions.get(hash) === version;
  }
}

/** Differences of code from code, wherever in the vector. */
export class EarlierVersions implements VersionDeltas {
  readonly reach: number;
  readonly #codec: VectorCodec;
  readonly #names = new VersionNames();
  #versions: EncodedVersion[] = [];

  constructor(codec: VectorCodec) {
    this.#codec = codec;
    const fitting = Math.floor(keptBytes / Math.max(1, codec.encodedBytes));
    // Full precision is for where bytes do not matter.
    this.reach = codec.spec.kind === "f32" ? 0 : Math.min(keptVersions, fitting);
  }

  keep({ version, bytes, hash }: EncodedVersion): EncodedVersion | undefined {
    if (this.reach === 0) return undefined;
    this.#names.note(hash, version);
    const all = [{ version, bytes, hash }, ...this.#versions];
    this.#versions = all.slice(0, this.reach);
    return all[this.reach];
  }

  async deltasTo(to: EncodedVersion, isHeld: IsHeld): Promise<ReadonlyMap<string, Delta>> {
    const deltas = new Map<string, Delta>();
    for (const from of this.#versions) {
      if (!isHeld(from.hash) || !this.#names.isOf(from.hash, from.version)) continue;
      const delta = await shortDelta(this.#codec, { from: from.bytes, to: to.bytes }, to.bytes.length);
      if (delta === undefined) continue;
      deltas.set(from.hash, { from: from.version, ...delta });
    }
    return deltas;
  }
}

/**
 * Differences of code from code.
 *
 * @param instead bytes that are sent otherwise
 * @returns undefined when it grows too long to be of use
 */
export async function shortDelta(
  codec: Parameters<typeof encodeDelta>[0],
  { from, to }: { readonly from: Uint8Array; readonly to: Uint8Array },
  instead: number,
): Promise<Pick<Delta, "bytes" | "hash"> | undefined> {
  // Memory is taken from the system as it is written to: what is not used costs nothing.
  const room = new Uint8Array(Math.floor(largestShare * instead));
  const hash = createHash("sha256");
  let bytes = 0;
  for (const part of encodeDelta(codec, from, to)) {
    if (bytes + part.length > room.length) return undefined;
    room.set(part, bytes);
    bytes += part.length;
    hash.update(part);
    letGo(part);
    await loopTurns.next();
  }
  return { bytes: room.subarray(0, bytes), hash: hash.digest("hex") };
}
