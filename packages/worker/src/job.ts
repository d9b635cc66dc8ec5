/** A job as received, checked before anything of it runs: the only code a worker executes is its own, over checked Programs. */
import type { JobDocument } from "@weft/protocol";
import { decodeJob, sharedParameters } from "@weft/protocol";
import type { DType, Instruction, Program, TensorType } from "@weft/tensor";
import { ProgramError, currentBackend, typeText, valueTypes, widenHalves } from "@weft/tensor";
import { cost, decode } from "@weft/tensor/programs";
import type { Manifest } from "@weft/vector";
import { createManifest } from "@weft/vector";
import { JobRefusedError } from "./errors.ts";
import { type Fragmented, fragmentsOf } from "./fragments.ts";

/** What a worker is willing to do. */
export interface WorkerPolicy {
  /** Largest working memory of one training step, in bytes. */
  readonly maxMemoryBytes: number;
  /** Largest arithmetic of one training step, in floating-point operations. */
  readonly maxStepFlops: number;
  /** Largest arithmetic of one order of local training; unlimited by default. */
  readonly maxOrderFlops?: number;
  /** Names of jobs, or beginnings of their hashes, that it works for; any by default. */
  readonly jobs?: readonly string[];
}

export const defaultPolicy: WorkerPolicy = { maxMemoryBytes: 2 ** 31, maxStepFlops: 1e13 };

/** A loss program at one batch size. */
export interface LossProgram {
  readonly batch: number;
  readonly program: Program;
  /** Places of the parameters that are not learned but replaced by the outputs after the metrics, in this order. */
  readonly statistics?: readonly number[];
}

export interface CheckedJob extends Fragmented {
  readonly document: JobDocument;
  /** Of all parameters. */
  readonly manifest: Manifest;
  /** Of the vector that travels: without parameters that are the worker's own, with control variates where the job has any. */
  readonly shared: Manifest;
  readonly initialize: Program;
  /** Sorted by batch size. */
  readonly loss: readonly LossProgram[];
  readonly evaluate: LossProgram;
  readonly predict: LossProgram;
}

const key: TensorType = { shape: [2], dtype: "u32" };

/** @throws {JobRefusedError} saying what is wrong with the job or which limit it passes */
export function checkJob(bytes: Uint8Array, policy: WorkerPolicy = defaultPolicy): CheckedJob {
  const { document, program: programBytes } = decodeJob(bytes);
  const load = (reference: JobDocument["programs"]["initialize"], role: string): Program => {
    try {
      return decode(programBytes(reference));
    } catch (cause) {
      if (!(cause instanceof ProgramError)) throw cause;
      throw new JobRefusedError(`job ${document.name}: its ${role} program is not valid: ${cause.message}`, { cause });
    }
  };
  const at = (reference: JobDocument["programs"]["initialize"], role: string): LossProgram => ({
    batch: reference.batch,
    program: load(reference, role),
  });
  const manifest = createManifest(document.parameters.map(({ name, shape, kind }) => ({ name, shape, kind })));
  const shared = createManifest(sharedParameters(document));
  const job: CheckedJob = {
    document,
    manifest,
    shared,
    ...fragmentsOf(document),
    initialize: load(document.programs.initialize, "initialize"),
    loss: document.programs.loss.map((reference) => ({ ...at(reference, "loss"), ...measuredIn(document) })),
    evaluate: at(document.programs.evaluate, "evaluate"),
    predict: at(document.programs.predict, "predict"),
  };
  checkSignatures(job);
  for (const { program, batch } of job.loss) checkCost(document.name, batch, program, policy);
  checkDtypes(job);
  return job;
}

/** Places of the running statistics among the parameters, where there are any. */
function measuredIn({ parameters }: JobDocument): Pick<LossProgram, "statistics"> {
  const statistics = parameters.flatMap(({ kind }, i) => (kind === "statistic" ? [i] : []));
  return statistics.length === 0 ? {} : { statistics };
}

/** Every dtype of the job's programs must be one that the backend here computes. */
function checkDtypes({ document, initialize, loss, evaluate, predict }: CheckedJob): void {
  const { name: backend, lacks = [] } = currentBackend();
  const programs = [initialize, ...[...loss, evaluate, predict].map(({ program }) => program)];
  const missing = lacks.find((dtype) => programs.some((program) => holds(program, dtype)));
  if (missing === undefined) return;
  throw new JobRefusedError(
    `job ${document.name}: its programs compute in ${missing}, which the ${backend} backend here does not; ` +
      "join with a backend that has it, or build the job without (for f16: leave out its precision)",
  );
}

function holds(program: Program, dtype: DType): boolean {
  const inBody = ({ primitive, params }: Instruction) =>
    (primitive === "scan" || primitive === "call") && holds(params.body, dtype);
  return valueTypes(program).some((type) => type.dtype === dtype) || program.instructions.some(inBody);
}

/** Every program must take and give exactly what the document says. */
function checkSignatures({ document, initialize, loss, evaluate, predict }: CheckedJob): void {
  const parameters = document.parameters.map(({ shape }): TensorType => ({ shape, dtype: "f32" }));
  const fields = (batch: number) =>
    document.data.fields.map(({ shape, dtype }): TensorType => ({ shape: [batch, ...shape], dtype }));
  const weights = (batch: number): TensorType => ({ shape: [batch], dtype: "f32" });
  const scalars = Array.from({ length: 1 + document.metrics.length }, (): TensorType => ({ shape: [], dtype: "f32" }));

  assertTypes("initialize inputs", initialize.inputs, [key]);
  assertTypes("initialize outputs", outputTypes(initialize), parameters);
  const measured = parameters.filter((_, i) => document.parameters[i]?.kind === "statistic");
  for (const { batch, program } of loss) {
    assertTypes("loss inputs", program.inputs, [...parameters, key, weights(batch), ...fields(batch)]);
    assertTypes("loss outputs", outputTypes(program), [...scalars, ...measured]);
  }
  const evaluated = fields(evaluate.batch);
  assertTypes("evaluate inputs", evaluate.program.inputs, [...parameters, weights(evaluate.batch), ...evaluated]);
  assertTypes("evaluate outputs", outputTypes(evaluate.program), scalars);
  assertTypes("predict inputs", predict.program.inputs, [...parameters, ...fields(predict.batch).slice(0, -1)]);
}

export function outputTypes(program: Program): TensorType[] {
  const types = valueTypes(program);
  return program.outputs.map((value) => types[value] ?? { shape: [], dtype: "f32" });
}

function assertTypes(role: string, got: readonly TensorType[], expected: readonly TensorType[]): void {
  const [gotText, expectedText] = [got, expected].map((types) => types.map(typeText).join(" "));
  if (gotText !== expectedText) {
    throw new JobRefusedError(`job: ${role} are ${gotText}, its document says ${expectedText}; build the job again`);
  }
}

/** What a training step over this loss program takes. */
export function stepCost(program: Program): { readonly flops: number; readonly bytes: number } {
  // CPUs keep f16 in f32.
  const { flops, peakBytes } = cost(widenHalves(program));
  // Reverse mode keeps what the forward pass made and does about twice its arithmetic again.
  return { flops: 3 * flops, bytes: 2 * peakBytes };
}

/** @throws {JobRefusedError} for a job that the policy does not name */
export function checkAdmitted({ name, hash }: { name: string; hash: string }, { jobs }: WorkerPolicy): void {
  if (jobs === undefined || jobs.some((wanted) => wanted === name || (wanted !== "" && hash.startsWith(wanted))))
    return;
  throw new JobRefusedError(
    `job ${name} (${hash.slice(0, 12)}…) is not among those this worker works for: ${jobs.join(", ")}`,
  );
}

function checkCost(name: string, batch: number, program: Program, policy: WorkerPolicy): void {
  const { flops: stepFlops, bytes: stepBytes } = stepCost(program);
  if (stepFlops > policy.maxStepFlops || stepBytes > policy.maxMemoryBytes) {
    throw new JobRefusedError(
      `job ${name}: a step of ${batch} examples takes about ${(stepFlops / 1e9).toFixed(1)} GFLOP and ${Math.ceil(stepBytes / 2 ** 20)} MiB; ` +
        `this worker accepts ${(policy.maxStepFlops / 1e9).toFixed(1)} GFLOP and ${Math.floor(policy.maxMemoryBytes / 2 ** 20)} MiB; raise its limits or lower the batch size`,
    );
  }
}
