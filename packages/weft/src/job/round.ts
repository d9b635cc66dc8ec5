/** The knobs of a round, named as the field names them: `dataParallel` and `federated` fill the same structure. */
import type { Optimizer } from "@weft/optim";
import type {
  CohortRule,
  DeadlineRule,
  JobEvaluation,
  JobPace,
  JobRound,
  StalenessRule,
  WorkerShare,
} from "@weft/protocol";
import { iid, type PartitionRule } from "./partition.ts";

export type RoundRule = JobRound & { readonly partition: PartitionRule };

/** What goes over the wire: how the coordinator shares out its examples is its own affair. */
export function wireRound(rule: RoundRule): JobRound {
  const round: JobRound & { partition?: PartitionRule } = { ...rule };
  delete round.partition;
  return round;
}

/** Waits as long as recent rounds suggest: median + `deviations` · MAD of their durations; default 10 of them. */
export function adaptive(deviations?: number): DeadlineRule {
  return deviations === undefined ? "adaptive" : { deviations };
}

/**
 * A version of every `size` updates, whoever they come from, while everyone goes on working (FedBuff, Nguyen et al. 2022): for
 * workers of very different speed, where a round would wait for the slowest. Old updates weigh less, by `staleness`.
 */
export function buffered(options: {
  readonly size: number;
  /** No version is made that puts a worker still computing more than this many behind (stale-synchronous, Ho et al. 2013). */
  readonly maxStaleness?: number;
  /** Default polynomial(0.5). */
  readonly staleness?: StalenessRule;
}): JobPace {
  return { kind: "buffered", staleness: polynomial(0.5), ...options };
}

/** Weighs an update made τ versions ago (1 + τ)^-exponent (Xie et al. 2019). */
export const polynomial = (exponent: number): StalenessRule => ({ kind: "polynomial", exponent });
/** Weighs old updates as fresh ones. */
export const constant = (): StalenessRule => ({ kind: "constant" });

interface SharedKnobs {
  /**
   * Updates that close a round, of those invited; default all of them. { count: n − k } of n workers has k backups: the round
   * goes on with the fastest n − k (Chen et al. 2016).
   */
  readonly quorum?: WorkerShare;
  /** Longest a round waits for its quorum, or in a buffered pace for one update, in ms; default adaptive(). */
  readonly deadline?: DeadlineRule;
  /** What makes a version: default a round of one cohort; or `buffered(…)`. */
  readonly pace?: JobPace;
  /**
   * What becomes of an update whose round closed without it: "refuse" (default), or "buffer": the next round counts it, with
   * the weight of staleness 1. Of use with backups and over-selection, where the work of the slow would be lost.
   */
  readonly late?: "refuse" | "buffer";
  /**
   * Every so many rounds the version is measured: by the coordinator on the job's test set, or by workers on examples they hold out
   * (`heldOut`, a share of each worker's own, never trained on), weighted by their number.
   */
  readonly evaluation?: JobEvaluation;
  /** An update of larger L2 norm is refused; default 1e4. Also fixes the grid on which updates are summed exactly. */
  readonly normBound?: number;
}

export interface DataParallelKnobs extends SharedKnobs {
  /** Examples of one round, divided among its workers: the result does not depend on how many there are. */
  readonly batchSize: number;
  /** Steps the model on the coordinator with the mean gradient. */
  readonly optimizer: Optimizer;
  /** Workers at work at once, and how they are drawn; default everyone. */
  readonly cohort?: CohortRule;
  /** "speed" gives each worker a part of the batch in proportion to its measured speed; default equal parts, bit for bit repeatable. */
  readonly balance?: "equal" | "speed";
}

/** Data-parallel training: one gradient from every worker, every round. */
export function dataParallel({ batchSize, optimizer, cohort, balance, ...shared }: DataParallelKnobs): RoundRule {
  return {
    work: { kind: "gradient", batchSize },
    cohort: cohort ?? { fraction: 1 },
    ...given({ balance }),
    weighting: "examples",
    server: specOf(optimizer),
    partition: iid(),
    ...knobs(shared),
  };
}

export interface AsynchronousKnobs extends Omit<DataParallelKnobs, "pace" | "quorum" | "late" | "balance"> {
  /** Versions a worker still computing may fall behind; default any number. */
  readonly maxStaleness?: number;
  /** Default constant(), plain asynchronous SGD. */
  readonly staleness?: StalenessRule;
}

/**
 * Asynchronous SGD: every gradient, of `batchSize` examples, makes a version, and its worker goes on from there. Of use where
 * workers differ in speed and rounds of everyone leave the fast idle; `maxStaleness` makes it stale-synchronous (Ho et al. 2013).
 */
export function asynchronous({ maxStaleness, staleness, ...knobs }: AsynchronousKnobs): RoundRule {
  const pace = buffered({ size: 1, staleness: staleness ?? constant(), ...given({ maxStaleness }) });
  return dataParallel({ ...knobs, pace });
}

export interface FederatedKnobs extends SharedKnobs {
  /**
   * Workers invited to a round, of those connected; default all of them. `sampling` prefers some: "examples" (Li et al. 2020),
   * "availability", "loss" (Cho et al. 2020), "speed"; `fairness` bounds it: nobody more than `maxShare` times its share, nobody
   * left out for more than `maxWait` rounds. `overSelect: 1.3` invites 30 % more than are needed (Bonawitz et al. 2019).
   * In a buffered pace: those at work at once.
   */
  readonly cohort?: CohortRule;
  readonly local: { readonly epochs: number; readonly batchSize: number; readonly optimizer: Optimizer };
  /** Steps the model along the mean change; sgd({ learningRate: 1 }) is FedAvg. */
  readonly server: Optimizer;
  /** Weight of an update in the mean: the examples behind it (FedAvg) or the same for all. */
  readonly weighting?: "examples" | "uniform";
  /** How the coordinator's examples are shared out to workers that bring none; default iid(). */
  readonly partition?: PartitionRule;
}

/** Federated averaging (McMahan et al. 2017) and its server-optimiser variants (Reddi et al. 2021). */
export function federated({ cohort, local, server, weighting, partition, ...shared }: FederatedKnobs): RoundRule {
  return {
    work: { kind: "local", epochs: local.epochs, batchSize: local.batchSize, optimizer: specOf(local.optimizer) },
    cohort: cohort ?? { fraction: 1 },
    weighting: weighting ?? "examples",
    server: specOf(server),
    partition: partition ?? iid(),
    ...knobs(shared),
  };
}

const knobs = ({ quorum, deadline, normBound, pace, late, evaluation }: SharedKnobs) => ({
  quorum: quorum ?? { fraction: 1 },
  deadlineMs: deadline ?? "adaptive",
  normBound: normBound ?? 1e4,
  ...given({ pace, late, evaluation }),
});

/** The fields that have a value. */
function given<T extends object>(fields: T): { readonly [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}

/** A specification is plain JSON data: the form in which optimisers travel. */
const specOf = ({ spec }: Optimizer): JobRound["server"] => ({ ...spec }) as unknown as JobRound["server"];
