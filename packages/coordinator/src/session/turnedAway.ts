/** Why a worker is turned away before it takes part: by what its hello says, and by what it is ready with. */
import { type MessageOf, versionMismatch } from "@weft/protocol";
import type { Admission } from "../admission.ts";

export interface TurnedAway {
  readonly code: string;
  readonly reason: string;
}

/** The sums' precision is shared with the weightiest worker, whose word is all there is for its number of examples. */
const maxOwnExamples = 2 ** 24;

export function byHello(
  { protocol, token, capabilities }: MessageOf<"hello">,
  { admission, codecs }: { readonly admission: Admission; readonly codecs: readonly string[] },
): TurnedAway | undefined {
  const mismatch = versionMismatch(protocol);
  if (mismatch !== undefined) return { code: "protocol", reason: mismatch };
  if (!admission.allows(token, "worker")) {
    const wrong = token === undefined ? "a token is needed" : "the token is wrong";
    return { code: "token", reason: `${wrong}; ask who runs this` };
  }
  const unknown = codecs.find((kind) => !capabilities.codecs.includes(kind));
  if (unknown === undefined) return undefined;
  return {
    code: "codec",
    reason: `the job's codec is ${unknown}, the worker knows ${capabilities.codecs.join(", ")}`,
  };
}

export function byReady(
  ready: Pick<MessageOf<"ready">, "jobHash" | "ownExamples">,
  { jobHash, servesExamples }: { readonly jobHash: string; readonly servesExamples: boolean },
): TurnedAway | undefined {
  const { ownExamples } = ready;
  if (ready.jobHash !== jobHash) {
    return { code: "job-hash", reason: `the job's hash is ${jobHash}, the worker is ready for ${ready.jobHash}` };
  }
  if (ownExamples === 0 || (ownExamples === undefined && !servesExamples)) {
    return { code: "data", reason: "this run trains on its workers' own data; bring at least one example" };
  }
  if (ownExamples === undefined || ownExamples <= maxOwnExamples) return undefined;
  return { code: "data", reason: `${ownExamples} examples of one worker's own, at most ${maxOwnExamples} are weighed` };
}
