/** From an encoded job to what a run needs of it, refusing early what could only fail later. */
import { type DecodedJob, decodeJob, type JobDocument, ProtocolError, sharedParameters } from "@weft/protocol";
import { createManifest, type Manifest, WeftError as VectorError } from "@weft/vector";
import { codecsOf, type JobCodecs } from "./codecs.ts";
import { CoordinatorOptionsError } from "./errors.ts";
import { type ModelMemory, modelMemory } from "./model/modelMemory.ts";
import type { RunOptions } from "./options.ts";
import type { RunPlan } from "./round/plan.ts";
import { Uploads } from "./uploads/uploads.ts";

export interface PreparedJob {
  readonly encoded: Uint8Array;
  readonly job: DecodedJob;
  /** Of the vector that the coordinator shares with workers. */
  readonly manifest: Manifest;
  readonly codecs: JobCodecs;
  readonly uploads: Uploads;
  /** Where a large model's versions and sums lie. */
  readonly room: ModelMemory | undefined;
}

const defaultGatherMs = 10_000;

/** @throws {CoordinatorOptionsError} when the job is damaged, contradicts itself, or asks for what is not supported */
export function prepareJob(encoded: Uint8Array): PreparedJob {
  try {
    const job = decodeJob(encoded);
    const { document } = job;
    if (Object.values(document.stop).every((rule) => rule === undefined)) {
      throw new CoordinatorOptionsError("the job never stops; give it rounds, epochs or a target");
    }
    const manifest = createManifest(sharedParameters(document));
    const codecs = codecsOf(document);
    // The sums of a fragment leave no room for the next version of the whole.
    const room = codecs.up.length === 1 ? modelMemory(manifest.size) : undefined;
    return { encoded, job, manifest, codecs, uploads: new Uploads(document, codecs.up, { room }), room };
  } catch (cause) {
    if (!(cause instanceof ProtocolError) && !(cause instanceof VectorError)) throw cause;
    throw new CoordinatorOptionsError(cause.message, { cause });
  }
}

/** @throws {CoordinatorOptionsError} for numbers that make no sense */
export function planOf({ round, seed, examples, stop }: JobDocument, options: RunOptions = {}): RunPlan {
  const { gatherMs, expectedWorkers = 1 } = options;
  if (!Number.isInteger(expectedWorkers) || expectedWorkers < 1) {
    throw new CoordinatorOptionsError(`expectedWorkers is a whole number from 1, got ${expectedWorkers}`);
  }
  if (gatherMs !== undefined && !(gatherMs >= 0 && gatherMs < Infinity)) {
    throw new CoordinatorOptionsError(`gatherMs is a number of milliseconds from 0, got ${gatherMs}`);
  }
  const { work, pace, cohort, quorum, deadlineMs, late, balance, evaluation } = round;
  const rules = { work, pace, cohort, quorum, deadlineMs, late, balance, evaluation };
  return { seed, ...rules, examples, stop, gatherMs: gatherMs ?? defaultGatherMs };
}
