/** Optimisers and schedules as pure init/update pairs: see README.md. */
export type { Optimizer } from "./optimizer.ts";
export type * from "./spec.ts";
export type { DecayOptions } from "./decay.ts";
export type { MeansOptions } from "./means.ts";
export { sgd } from "./sgd.ts";
export type { SgdOptions } from "./sgd.ts";
export { adagrad } from "./adagrad.ts";
export type { AdagradOptions } from "./adagrad.ts";
export { rmsprop } from "./rmsprop.ts";
export type { RmspropOptions } from "./rmsprop.ts";
export { adadelta } from "./adadelta.ts";
export type { AdadeltaOptions } from "./adadelta.ts";
export { adam, adamw, amsgrad } from "./adam.ts";
export type { AdamOptions } from "./adam.ts";
export { adamax } from "./adamax.ts";
export { nadam } from "./nadam.ts";
export type { NadamOptions } from "./nadam.ts";
export { radam } from "./radam.ts";
export { lion } from "./lion.ts";
export type { LionOptions } from "./lion.ts";
export { lamb } from "./lamb.ts";
export { yogi } from "./yogi.ts";
export type { YogiOptions } from "./yogi.ts";
export { muon } from "./muon.ts";
export type { MuonOptions } from "./muon.ts";
export {
  adjustable,
  constantRate,
  cosine,
  cosineRestarts,
  exponentialDecay,
  inverseSqrt,
  linearWarmup,
  multistepDecay,
  oneCycle,
  polynomial,
  stepDecay,
  warmupCosine,
} from "./schedule.ts";
export type { Rate, Schedule } from "./schedule.ts";
export { scheduleValue } from "./scheduleValue.ts";
export { plateau, withLearningRate } from "./plateau.ts";
export type { Plateau, PlateauOptions, PlateauState } from "./plateau.ts";
export { clampGradients, clipByGlobalNorm, clipByNorm, clipByValue, globalNorm, limitNorm } from "./clip.ts";
export type { ClipNormOptions } from "./clip.ts";
export { accumulate } from "./accumulate.ts";
export { exponentialMovingAverage } from "./exponentialMovingAverage.ts";
export type { AveragingOptimizer } from "./exponentialMovingAverage.ts";
export { indicesOf, partition } from "./partition.ts";
export type { Group } from "./partition.ts";
export { OptimizerError, OptimizerStateError } from "./errors.ts";
