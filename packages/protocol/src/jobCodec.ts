/** The job document as bytes: one frame whose header is the document and whose raw bytes are its programs. */
import { ProtocolError } from "./errors.ts";
import { explain } from "./explain.ts";
import { decodeFrame, encodeFrame, type FrameLimits } from "./frame.ts";
import { jobSchema, type JobDocument } from "./job.ts";
import { refusalOf } from "./refusals.ts";

/** A program's place in the payload, as the document names it. */
export type ProgramRef = JobDocument["programs"]["predict"];

/** A program to be packed: traced at `batch`, encoded as `bytes`. */
export interface JobProgram {
  readonly batch: number;
  readonly bytes: Uint8Array;
}

export interface JobPrograms {
  readonly initialize: JobProgram;
  /** Sorted by batch. */
  readonly loss: readonly JobProgram[];
  readonly evaluate: JobProgram;
  readonly predict: JobProgram;
}

/** Everything of the document but the places of its programs, which `encodeJob` assigns. */
export type JobDraft = Omit<JobDocument, "programs">;

export interface DecodedJob {
  readonly document: JobDocument;
  /** A view of the encoded job. */
  readonly program: (ref: ProgramRef) => Uint8Array;
}

/** A job may name ten thousand parameters; it arrives as a payload, under its own size limit. */
const jobLimits: FrameLimits = { maxHeaderBytes: 8 * 1024 * 1024, maxDepth: 16, maxElements: 1_000_000 };

/**
 * The same draft and programs give the same bytes, so their hash names the job.
 *
 * @throws {ProtocolError} for a document that a worker would not accept
 */
export function encodeJob(draft: JobDraft, programs: JobPrograms): Uint8Array {
  const payload: Uint8Array[] = [];
  let offset = 0;
  const place = (program: JobProgram): ProgramRef => {
    const ref = { batch: program.batch, offset, bytes: program.bytes.length };
    payload.push(program.bytes);
    offset += ref.bytes;
    return ref;
  };
  const places = {
    initialize: place(programs.initialize),
    loss: programs.loss.map(place),
    evaluate: place(programs.evaluate),
    predict: place(programs.predict),
  };
  const document = checkJob({ ...draft, programs: places }, offset);
  return encodeFrame(document, join(payload, offset), jobLimits);
}

/** @throws {ProtocolError} for bytes that are not a job, and for a document that contradicts itself */
export function decodeJob(bytes: Uint8Array): DecodedJob {
  const { header, body } = decodeFrame(bytes, jobLimits);
  return {
    document: checkJob(header, body.length),
    program: (ref) => body.subarray(ref.offset, ref.offset + ref.bytes),
  };
}

function checkJob(value: unknown, payloadBytes: number): JobDocument {
  const result = jobSchema.safeParse(value);
  if (!result.success) throw new ProtocolError("job", explain("job", value, result.error.issues));
  const document = result.data;
  checkUnique("parameter", document.parameters);
  checkUnique("field", document.data.fields);
  checkUnique(
    "metric",
    document.metrics.map((name) => ({ name })),
  );
  checkPrograms(document.programs, payloadBytes);
  checkMetrics(document);
  const refusal = refusalOf(document);
  if (refusal !== undefined) throw new ProtocolError("job", `job: ${refusal}`);
  return document;
}

/** What the stop rule watches is measured. */
function checkMetrics({ stop: { target, patience }, metrics }: JobDocument): void {
  for (const [rule, watched] of Object.entries({ target, patience })) {
    const metric = watched?.metric ?? "loss";
    if (metric === "loss" || metrics.includes(metric)) continue;
    const known = ["loss", ...metrics].join(", ");
    throw new ProtocolError("job", `job: stop.${rule} names "${metric}"; one of ${known} expected`);
  }
}

function checkUnique(what: string, entries: readonly { readonly name: string }[]): void {
  const seen = new Set<string>();
  for (const { name } of entries) {
    if (seen.has(name)) throw new ProtocolError("job", `job: two ${what}s are named "${name}"; give each its own name`);
    seen.add(name);
  }
}

function checkPrograms(programs: JobDocument["programs"], payloadBytes: number): void {
  const { initialize, loss, evaluate, predict } = programs;
  for (const ref of [initialize, ...loss, evaluate, predict]) {
    if (ref.offset + ref.bytes > payloadBytes) {
      throw new ProtocolError(
        "job",
        `job: a program at ${ref.offset} of ${ref.bytes} bytes; the payload has ${payloadBytes} bytes`,
      );
    }
  }
  for (const [index, ref] of loss.entries()) {
    const before = loss[index - 1]?.batch ?? 0;
    if (ref.batch <= before) {
      throw new ProtocolError("job", `job: loss programs by growing batch expected, got ${ref.batch} after ${before}`);
    }
  }
}

function join(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const joined = new Uint8Array(bytes);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}
