/** A job: what to train, on which data, by which rounds. The same definition runs in a program, on ten machines, in tabs. */
import type { Augmentation, DatasetSource } from "@weft/data";
import type { Layer } from "@weft/nn";
import { refusalOf } from "@weft/protocol";
import type { Tensor } from "@weft/tensor";
import { JobError } from "../errors.ts";
import { misfitOf } from "./checkDefinition.ts";
import { roundProblem } from "./checkRound.ts";
import { type CodecChoice, jobCodec } from "./codec.ts";
import { partitionProblem } from "./partition.ts";
import { type RoundRule, wireRound } from "./round.ts";
import { type StopRule, stopProblem, wireStop } from "./stop.ts";

export type { StopRule } from "./stop.ts";

/** (predictions [batch, …], targets [batch, …]) → scalar, the mean over the batch. */
export type BatchMean = (predictions: Tensor, targets: Tensor) => Tensor;

export interface JobDefinition {
  /** Names the run; letters, digits, dot, dash and underscore. */
  readonly name: string;
  /** Its first field is the model's input, its last one the target. A stream is for `fit` alone. */
  readonly data: DatasetSource;
  /** Random changes to the inputs that are trained on, by seed, epoch and example; for `fit` alone. */
  readonly augment?: Augmentation | readonly Augmentation[] | undefined;
  readonly model: Layer;
  readonly loss: BatchMean;
  /** Reported for training rounds and on the test set. */
  readonly metrics?: Readonly<Record<string, BatchMean>>;
  readonly round: RoundRule;
  readonly stop: StopRule;
  /** How weights and updates travel, each direction by itself or one for both; default "f32". See the codecs in `@weft/vector`. */
  readonly codec?: CodecChoice;
  /** What training computes in; default f32. Parameters, updates, evaluation and predictions are f32 in any case. */
  readonly precision?: Precision;
  /** Everything random follows from it; default 0. */
  readonly seed?: number;
}

/** Mixed precision: the layers' work in f16. See `mixedPrecision` in `@weft/nn`. */
export interface Precision {
  readonly compute: "f16";
  /**
   * What the loss is multiplied by before its gradient is taken, so that small gradients stay above 0 in f16; they are divided by it
   * again before anything else sees them. Default "dynamic": 2¹⁵, and less in a step whose gradient overflows.
   */
  readonly lossScale?: "dynamic" | number;
}

/** A checked definition, as a job file exports it by default. */
export interface Job {
  readonly kind: "weft-job";
  readonly definition: JobDefinition;
}

/** @throws {JobError} naming the field that does not fit and what it should be */
export function defineJob(definition: JobDefinition): Job {
  const { name, stop, round, metrics = {} } = definition;
  const fail = (message: string) => {
    throw new JobError(`job ${name}: ${message}`);
  };
  if (!/^[\w.-]{1,100}$/.test(name)) fail("its name must be 1 to 100 letters, digits, dots, dashes or underscores");
  const misfit = misfitOf(definition, Object.keys(parts));
  if (misfit !== undefined) fail(misfit);
  const problem = stopProblem(stop, round, Object.keys(metrics));
  if (problem !== undefined) fail(problem);
  const misset = roundProblem(wireRound(round)) ?? partitionProblem(round.partition);
  if (misset !== undefined) fail(`round: ${misset}`);
  const refusal = refusalOf({ round: wireRound(round), stop: wireStop(stop, round), examples: undefined });
  if (refusal !== undefined) fail(refusal);
  jobCodec(definition);
  const { compute, lossScale = "dynamic" } = definition.precision ?? { compute: "f16" };
  // Job files in JavaScript are not checked by a compiler.
  if ((compute as string) !== "f16")
    fail(`precision.compute is ${JSON.stringify(compute)}; expected "f16", or no precision for f32`);
  if (lossScale !== "dynamic" && !(lossScale > 0 && lossScale < Infinity)) {
    fail(`precision.lossScale is ${lossScale}; expected "dynamic" or a number above 0`);
  }
  if ("loss" in metrics) fail("a metric may not be called loss; that name is the loss's own");
  return { kind: "weft-job", definition };
}

const parts: Readonly<Record<keyof JobDefinition, true>> = {
  name: true,
  data: true,
  augment: true,
  model: true,
  loss: true,
  metrics: true,
  round: true,
  stop: true,
  codec: true,
  precision: true,
  seed: true,
};

export function isJob(value: unknown): value is Job {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "weft-job";
}
