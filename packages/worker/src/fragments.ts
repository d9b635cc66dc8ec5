/** The parts of the shared vector that rounds bring in by turns, as a worker sends and is sent them; one unless the job streams. */
import { fragmentOf, type JobDocument, sharedFragments } from "@weft/protocol";
import { createManifest, encodedRange, joinCodecs, openCodec, type VectorCodec } from "@weft/vector";

export interface JobFragment {
  readonly index: number;
  /** Elements [start, end) of the shared vector. */
  readonly start: number;
  readonly end: number;
  /** Of updates. */
  readonly codec: VectorCodec;
  /** Where the fragment lies in an encoded version. */
  readonly encoded: { readonly from: number; readonly to: number };
}

export interface Fragmented {
  readonly fragments: readonly JobFragment[];
  readonly codecs: {
    /** Of versions; every fragment is encoded by itself. */
    readonly down: VectorCodec;
  };
}

export function fragmentsOf(document: JobDocument): Fragmented {
  const manifests = sharedFragments(document).map((parameters) => createManifest(parameters));
  const down = joinCodecs(manifests.map((manifest) => openCodec(document.codec.down, manifest)));
  let end = 0;
  const fragments = manifests.map((manifest, index) => {
    const start = end;
    end += manifest.size;
    const codec = openCodec(document.codec.up, manifest);
    return { index, start, end, codec, encoded: encodedRange(down, { start, end }) };
  });
  return { fragments, codecs: { down } };
}

/** The fragment that a round brings in. */
export function fragmentFor({ fragments }: Pick<Fragmented, "fragments">, round: number): JobFragment {
  const fragment = fragments[fragmentOf(round, fragments.length)];
  if (fragment === undefined) throw new Error(`round ${round} is none; they count from 1`);
  return fragment;
}

/** The fragments that rounds after `from` have brought in until `version`, in their order within the vector. */
export function fragmentsSince(
  { fragments }: Pick<Fragmented, "fragments">,
  { from, version }: { readonly from: number; readonly version: number },
): readonly JobFragment[] {
  if (version - from >= fragments.length) return fragments;
  const rounds = Array.from({ length: Math.max(0, version - from) }, (_, i) => from + 1 + i);
  const changed = new Set(rounds.map((round) => fragmentOf(round, fragments.length)));
  return fragments.filter(({ index }) => changed.has(index));
}
