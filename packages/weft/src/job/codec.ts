/** The codecs of a job, from the short forms that a definition may use. */
import type { JobDocument } from "@weft/protocol";
import {
  canPublish,
  codecKinds,
  type CodecSpec,
  parseCodecSpec,
  type PlainCodec,
  WeftError as VectorError,
} from "@weft/vector";
import { JobError } from "../errors.ts";

/** A codec by name, or with its settings: `"int4"`, `{ kind: "topK", fraction: 0.01 }`. */
export type OneCodec = PlainCodec | CodecSpec;

/** What is left out is f32. */
export interface Directions {
  readonly up?: OneCodec;
  readonly down?: OneCodec;
}

/** One codec for both directions, or each by itself. */
export type CodecChoice = OneCodec | Directions;

/** @throws {JobError} for a codec that does not exist, or one that cannot carry weights down */
export function jobCodec({
  name,
  codec = "f32",
}: {
  readonly name: string;
  readonly codec?: CodecChoice;
}): JobDocument["codec"] {
  const isOne = typeof codec === "string" || "kind" in codec;
  const { up = "f32", down = "f32" } = isOne ? { up: codec, down: codec } : codec;
  const chosen = { up: checked(name, up), down: checked(name, down) };
  if (isPublishing(chosen.down)) return { up: chosen.up, down: chosen.down };
  const publishing = codecKinds.filter((kind) => canPublish({ kind } as typeof chosen.down)).join(", ");
  throw new JobError(
    `job ${name}: codec ${chosen.down.kind} keeps only part of a vector and cannot carry whole weights; ` +
      `choose codec.down from ${publishing}`,
  );
}

function checked(name: string, codec: unknown) {
  try {
    return parseCodecSpec(codec);
  } catch (cause) {
    if (!(cause instanceof VectorError)) throw cause;
    throw new JobError(`job ${name}: ${cause.message}`, { cause });
  }
}

function isPublishing(spec: ReturnType<typeof parseCodecSpec>): spec is JobDocument["codec"]["down"] {
  return canPublish(spec);
}
