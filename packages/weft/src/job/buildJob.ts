/** Turns a definition into the encoded job document that coordinator and workers understand. */
import type { DataContract, Dataset } from "@weft/data";
import { accuracy, softmaxCrossEntropy } from "@weft/nn";
import type { JobDocument, JobDraft, JobPrograms } from "@weft/protocol";
import { ProtocolError, encodeJob } from "@weft/protocol";
import type { Program } from "@weft/tensor";
import { WeftError, valueTypes } from "@weft/tensor";
import { encode } from "@weft/tensor/programs";
import { JobError } from "../errors.ts";
import { jobCodec } from "./codec.ts";
import type { Job, JobDefinition } from "./defineJob.ts";
import { type RoundRule, wireRound } from "./round.ts";
import { tracePrograms } from "./programs.ts";
import { wireStop } from "./stop.ts";

/** Examples per call when evaluating or predicting: enough to fill the kernels, little enough for a tab. */
export const defaultEvaluationBatch = 250;
/** Loss programs are traced for the shares of a batch among up to this many workers; more pad the smallest share. */
const tracedShares = 16;

export interface BuildJobOptions {
  /** Batch sizes of the loss programs, ascending; default: the shares of a batch among 1 to 16 workers. */
  readonly lossBatches?: readonly number[];
  /** Examples per call of the evaluate and predict programs; default 250. */
  readonly evaluationBatch?: number;
}

/** @throws {JobError} when model, loss and data do not fit together, with the shapes that clash */
export function buildJob(
  job: Job,
  data: { readonly train: Pick<Dataset, "contract" | "size"> },
  options: BuildJobOptions = {},
): Uint8Array {
  const { definition } = job;
  if (definition.augment !== undefined) {
    throw new JobError(
      `job ${definition.name}: augment is a function of this process, but workers run nothing but the job's own programs; ` +
        "leave it out, or train with fit",
    );
  }
  const { evaluationBatch = defaultEvaluationBatch } = options;
  const { contract, size } = data.train;
  if (contract.fields.length !== 2) {
    throw new JobError(
      `job ${definition.name}: its data has ${contract.fields.length} fields; expected an input and a target`,
    );
  }
  try {
    const traced = tracePrograms(definition, contract);
    checkClasses(definition, contract, traced.predict(1));
    const { personal = [] } = definition.round;
    checkPatterns(definition.name, personal, traced.parameters);
    const packed = (batch: number, program: Program) => ({ batch, bytes: encode(program) });
    const programs: JobPrograms = {
      initialize: packed(0, traced.initialize),
      loss: (options.lossBatches ?? orderBatches(definition.round, size)).map((batch) =>
        packed(batch, traced.loss(batch)),
      ),
      evaluate: packed(evaluationBatch, traced.evaluate(evaluationBatch)),
      predict: packed(evaluationBatch, traced.predict(evaluationBatch)),
    };
    const draft: JobDraft = {
      format: 1,
      name: definition.name,
      parameters: traced.parameters.map(({ name, shape }, i) => {
        const kind = traced.statistics.includes(i) ? "statistic" : "weight";
        const own = personal.some((pattern) => matches(name, pattern)) ? { local: true } : {};
        return { name, shape: [...shape], kind, ...own };
      }),
      data: {
        fields: contract.fields.map(({ shape, range, ...field }) => ({
          ...field,
          shape: [...shape],
          ...(range ? { range: [range[0], range[1]] as [number, number] } : {}),
        })),
      },
      examples: size,
      metrics: Object.keys(definition.metrics ?? {}),
      round: wireRound(definition.round),
      ...(definition.precision ? { precision: { lossScale: "dynamic", ...definition.precision } } : {}),
      codec: jobCodec(definition),
      stop: wireStop(definition.stop, definition.round),
      seed: definition.seed ?? 0,
    };
    return encodeJob(draft, programs);
  } catch (cause) {
    const expected = cause instanceof WeftError || cause instanceof ProtocolError;
    if (!expected || cause instanceof JobError) throw cause;
    throw new JobError(`job ${definition.name}: ${cause.message}`, { cause });
  }
}

/** A class that the model has no logit for would be trained on in silence. */
function checkClasses({ name, loss, metrics = {} }: JobDefinition, { fields }: DataContract, predict: Program): void {
  const highest = fields.at(-1)?.range?.[1] ?? 0;
  const [prediction] = predict.outputs.map((output) => valueTypes(predict)[output]);
  const classes = prediction?.shape.at(-1) ?? 0;
  const isByClass = loss === softmaxCrossEntropy || Object.values(metrics).includes(accuracy);
  if (!isByClass || fields.at(-1)?.dtype !== "i32" || highest < classes) return;
  throw new JobError(
    `job ${name}: the data has classes 0 to ${highest}, but the model gives ${classes} logits; its last layer should have features: ${highest + 1}`,
  );
}

/** A misspelt pattern would send what was to stay. */
function checkPatterns(
  job: string,
  patterns: readonly string[],
  parameters: readonly { readonly name: string }[],
): void {
  const idle = patterns.find((pattern) => !parameters.some(({ name }) => matches(name, pattern)));
  if (idle === undefined) return;
  const names = parameters.map(({ name }) => name).join(", ");
  throw new JobError(
    `job ${job}: personal names ${JSON.stringify(idle)}, which is no parameter's name; there are ${names}`,
  );
}

/** A name by a pattern in which * stands for anything. */
function matches(name: string, pattern: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  if (rest.length === 0) return name === pattern;
  if (!name.startsWith(first)) return false;
  const last = rest.pop() ?? "";
  let at = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}

/** Batch sizes of the loss programs of a job: an order of a buffered pace always has its fixed part of the batch. */
function orderBatches({ work, pace }: RoundRule, examples: number): number[] {
  if (work.kind === "local" || pace?.kind !== "buffered") return lossBatches(work, examples);
  return [Math.min(Math.ceil(work.batchSize / pace.size), Math.max(1, examples))];
}

/** Batch sizes a worker may be asked for, ascending: the shares of a batch among 1, 2, 3… workers. */
export function lossBatches(work: JobDocument["round"]["work"], examples: number): number[] {
  const batch = Math.min(work.batchSize, Math.max(1, examples));
  if (work.kind === "local") return [batch];
  const most = work.microBatch ?? batch;
  const shares = Array.from({ length: Math.min(tracedShares, batch) }, (_, i) => Math.ceil(batch / (i + 1))).map(
    (share) => Math.min(share, most),
  );
  return [...new Set(shares)].toSorted((a, b) => a - b);
}
