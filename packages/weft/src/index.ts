/** The face of Weft: jobs, their rounds, and training them. Layers, optimisers and data come from their own packages. */
export type { BatchMean, Job, JobDefinition, StopRule } from "./job/defineJob.ts";
export { defineJob } from "./job/defineJob.ts";
export { buildJob } from "./job/buildJob.ts";
export type { DataParallelKnobs, FederatedKnobs, PartitionRule, RoundRule } from "./job/round.ts";
export { adaptive, dataParallel, federated, iid, shards } from "./job/round.ts";
export { JobError, UsageError } from "./errors.ts";
export type { Run, TrainOptions } from "./run/train.ts";
export { train } from "./run/train.ts";
