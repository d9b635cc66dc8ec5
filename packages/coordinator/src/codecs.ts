/** How a job's vectors travel: versions as a whole, updates in the parts that rounds bring in by turns. */
import { type JobDocument, sharedFragments } from "@weft/protocol";
import { createManifest, joinCodecs, openCodec, type VectorCodec } from "@weft/vector";

export interface JobCodecs {
  /** By fragment; one of the whole vector unless the job streams. */
  readonly up: readonly VectorCodec[];
  /** Of the whole vector; every fragment is encoded by itself. */
  readonly down: VectorCodec;
}

export function codecsOf(document: JobDocument): JobCodecs {
  const fragments = sharedFragments(document).map((parameters) => createManifest(parameters));
  return {
    up: fragments.map((manifest) => openCodec(document.codec.up, manifest)),
    down: joinCodecs(fragments.map((manifest) => openCodec(document.codec.down, manifest))),
  };
}
