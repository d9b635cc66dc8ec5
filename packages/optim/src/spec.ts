/**
 * The plain data that names an optimiser: what a job carries from the one who writes it to those who run it. Every setting is
 * written out, so that a stored job means the same when a default changes.
 */
import type { FixedRate, Rate } from "./schedule.ts";

export type OptimizerSpec = RuleSpec | TransformationSpec;

/** Optimisers that step by themselves. */
export type RuleSpec =
  | SgdSpec
  | AdagradSpec
  | RmspropSpec
  | AdadeltaSpec
  | AdamSpec
  | AdamaxSpec
  | NadamSpec
  | RadamSpec
  | LionSpec
  | LambSpec
  | YogiSpec
  | MuonSpec
  | LbfgsSpec;

/** Optimisers made of others. */
export type TransformationSpec =
  | ClipByValueSpec
  | ClipByNormSpec
  | ClipByGlobalNormSpec
  | AccumulateSpec
  | AverageSpec
  | LossScalingSpec
  | PartitionSpec;

/** What the optimisers here share. */
export interface DecaySpec {
  readonly learningRate: Rate;
  readonly weightDecay: FixedRate;
  readonly decoupledDecay: boolean;
}

/** The settings of an optimiser with two running means. */
export interface MeansSpec extends DecaySpec {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

export interface SgdSpec extends DecaySpec {
  readonly name: "sgd";
  readonly momentum: number;
  readonly dampening: number;
  readonly nesterov: boolean;
}

export interface AdagradSpec extends DecaySpec {
  readonly name: "adagrad";
  readonly rateDecay: number;
  readonly initialAccumulator: number;
  readonly epsilon: number;
}

export interface RmspropSpec extends DecaySpec {
  readonly name: "rmsprop";
  readonly decay: number;
  readonly epsilon: number;
  readonly momentum: number;
  readonly centered: boolean;
}

export interface AdadeltaSpec extends DecaySpec {
  readonly name: "adadelta";
  readonly decay: number;
  readonly epsilon: number;
}

export interface AdamSpec extends MeansSpec {
  readonly name: "adam";
  readonly amsgrad: boolean;
}

export interface AdamaxSpec extends MeansSpec {
  readonly name: "adamax";
}

export interface NadamSpec extends MeansSpec {
  readonly name: "nadam";
  readonly momentumDecay: number;
}

export interface RadamSpec extends MeansSpec {
  readonly name: "radam";
}

export interface LionSpec extends DecaySpec {
  readonly name: "lion";
  readonly beta1: number;
  readonly beta2: number;
}

export interface LambSpec {
  readonly name: "lamb";
  readonly learningRate: Rate;
  readonly weightDecay: FixedRate;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

export interface YogiSpec extends MeansSpec {
  readonly name: "yogi";
  readonly initialAccumulator: number;
  readonly biasCorrection: boolean;
}

export interface MuonSpec extends DecaySpec {
  readonly name: "muon";
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly iterations: number;
  readonly fallback: OptimizerSpec;
}

export interface LbfgsSpec {
  readonly name: "lbfgs";
  readonly learningRate: FixedRate;
  readonly historySize: number;
}

export interface ClipByValueSpec {
  readonly name: "clipByValue";
  readonly maxValue: number;
  readonly optimizer: OptimizerSpec;
}

export interface ClipByNormSpec {
  readonly name: "clipByNorm";
  readonly maxNorm: number;
  readonly epsilon: number;
  readonly optimizer: OptimizerSpec;
}

export interface ClipByGlobalNormSpec {
  readonly name: "clipByGlobalNorm";
  readonly maxNorm: number;
  readonly epsilon: number;
  readonly optimizer: OptimizerSpec;
}

export interface AccumulateSpec {
  readonly name: "accumulate";
  readonly steps: number;
  readonly optimizer: OptimizerSpec;
}

export interface AverageSpec {
  readonly name: "exponentialMovingAverage";
  readonly decay: number;
  readonly optimizer: OptimizerSpec;
}

export interface LossScalingSpec {
  readonly name: "lossScaling";
  readonly initialScale: number;
  readonly growthInterval: number;
  readonly growthFactor: number;
  readonly backoffFactor: number;
  readonly optimizer: OptimizerSpec;
}

export interface PartitionSpec {
  readonly name: "partition";
  readonly groups: readonly GroupSpec[];
}

/** Which parameters an optimiser of a partition takes, and which optimiser. */
export interface GroupSpec {
  readonly indices?: readonly number[];
  readonly minRank?: number;
  readonly optimizer: OptimizerSpec;
}
