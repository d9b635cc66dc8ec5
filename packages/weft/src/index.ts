/** The face of Weft: jobs, their rounds, and training them. Layers, optimisers and data come from their own packages. */
export type { BatchMean, Job, JobDefinition, Precision } from "./job/defineJob.ts";
export type { CodecChoice } from "./job/codec.ts";
export type { StopRule } from "./job/stop.ts";
export { defineJob } from "./job/defineJob.ts";
export { buildJob } from "./job/buildJob.ts";
export { byKey, dirichlet, iid, type PartitionRule, shards, unequalSizes } from "./job/partition.ts";
export { fair, fedDyn, type LocalKnobs, normalized, scaffold, type StreamingKnobs } from "./job/localWork.ts";
export type {
  AsynchronousKnobs,
  DataParallelKnobs,
  DilocoKnobs,
  FederatedKnobs,
  LocalStepKnobs,
  RoundRule,
} from "./job/round.ts";
export {
  adaptive,
  asynchronous,
  buffered,
  constant,
  dataParallel,
  diloco,
  federated,
  localSgd,
  median,
  polynomial,
  trimmedMean,
} from "./job/round.ts";
export { JobError, ModelFileError, UsageError } from "./errors.ts";
export type { Run, TrainOptions } from "./run/train.ts";
export { train } from "./run/train.ts";
export type { FitOptions } from "./fit/options.ts";
export type { BatchRecord, Callback, CallbackMemory, EpochRecord, FitControl, Watched } from "./fit/callback.ts";
export type { Stopped } from "./fit/loop.ts";
export { checkpoint } from "./fit/checkpoint.ts";
export type { CheckpointOptions } from "./fit/checkpoint.ts";
export { earlyStopping } from "./fit/earlyStopping.ts";
export type { EarlyStoppingOptions } from "./fit/earlyStopping.ts";
export { learningRate, reduceOnPlateau } from "./fit/learningRate.ts";
export type { ReduceOnPlateauOptions } from "./fit/learningRate.ts";
export type { Fit } from "./run/fit.ts";
export { fit } from "./run/fit.ts";
export type { TrainedModel } from "./run/trainedModel.ts";
export type { LoadedModel, LoadOptions, SavedModel } from "./files/modelFile.ts";
export { loadModel, saveModel } from "./files/modelFile.ts";
