/** The knobs of a round, named as the field names them: `dataParallel`, `federated` and their kin fill the same structure. */
import { type Optimizer, sgd } from "@weft/optim";
import type {
  CohortRule,
  JobCombine,
  DeadlineRule,
  JobEvaluation,
  JobPace,
  JobRound,
  JobWeighting,
  StalenessRule,
  WorkerShare,
} from "@weft/protocol";
import { checkKnobs } from "./checkRound.ts";
import { type LocalKnobs, localWork, specOf, type StreamingKnobs } from "./localWork.ts";
import { iid, type PartitionRule } from "./partition.ts";

export interface RoundRule extends JobRound {
  readonly partition: PartitionRule;
  /** Patterns of the names of parameters that stay on their workers. */
  readonly personal?: readonly string[];
}

/**
 * What goes over the wire in one piece: how the coordinator shares out its examples is its own affair, and the parameters say themselves
 * whether they travel.
 */
export function wireRound(rule: RoundRule): JobRound {
  const kept = Object.entries(rule).filter(([knob]) => knob !== "partition" && knob !== "personal");
  return Object.fromEntries(kept) as unknown as JobRound;
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

/** The middle of the updates, element by element (Yin et al. 2018): as long as fewer than half of them lie, they move it no further than the others differ. */
export const median = (): JobCombine => ({ kind: "median" });
/** The mean without this fraction of the least and of the greatest, element by element (Yin et al. 2018): against fewer liars than that, with less noise than a median. */
export const trimmedMean = (fraction: number): JobCombine => ({ kind: "trimmedMean", fraction });

interface SharedKnobs {
  /**
   * How the updates of a round become one: default their mean; or `median()`, `trimmedMean(fraction)`, where some workers may not be honest. Those
   * give every update one vote (`weighting: "uniform"`), and the coordinator keeps each update, on disk beyond some memory, until its round closes.
   */
  readonly combine?: JobCombine;
  /**
   * Updates that close a round, of those invited; default all of them. { count: n − k } of n workers has k backups: the round
   * goes on with the fastest n − k (Chen et al. 2016). Where fewer can come, because fewer are there or some have left, all of these close it, and the
   * coordinator says so (`closedShort`); a count above that of `cohort` is refused.
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
  /**
   * Examples that a worker looks at once: it adds up the gradients of as many such parts as its share of the batch takes, so that a batch may
   * be larger than its memory allows. Statistics, such as batchNorm's, are of each part.
   */
  readonly microBatch?: number;
  /** Steps the model on the coordinator with the mean gradient. */
  readonly optimizer: Optimizer;
  /** Workers at work at once, and how they are drawn; default everyone. */
  readonly cohort?: CohortRule;
  /** "speed" gives each worker a part of the batch in proportion to its measured speed; default equal parts, bit for bit repeatable. */
  readonly balance?: "equal" | "speed";
}

const sharedKnobs: Readonly<Record<keyof SharedKnobs, true>> = {
  combine: true,
  quorum: true,
  deadline: true,
  pace: true,
  late: true,
  evaluation: true,
  normBound: true,
};

const dataParallelKnobs: Readonly<Record<keyof DataParallelKnobs, true>> = {
  batchSize: true,
  optimizer: true,
  microBatch: true,
  cohort: true,
  balance: true,
  ...sharedKnobs,
};

/** Data-parallel training: one gradient from every worker, every round. */
export function dataParallel(knobsOf: DataParallelKnobs): RoundRule {
  checkKnobs("dataParallel", knobsOf, dataParallelKnobs);
  const { batchSize, microBatch, optimizer, cohort, balance, ...shared } = knobsOf;
  return {
    work: { kind: "gradient", batchSize, ...given({ microBatch }) },
    cohort: cohort ?? { fraction: 1 },
    ...given({ balance }),
    weighting: usualWeighting(shared),
    server: specOf(optimizer, "optimizer"),
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
  readonly local: LocalKnobs;
  /**
   * Steps the model along the mean change: sgd({ learningRate: 1 }) is FedAvg; with momentum it is FedAvgM (Hsu et al. 2019), which calms
   * rounds of few or uneven workers; adam, yogi and adagrad are FedAdam, FedYogi and FedAdagrad (Reddi et al. 2021), for models that want an
   * adaptive step, such as those of text. Momentum is the server's alone: no bytes, nothing kept by workers.
   */
  readonly server: Optimizer;
  /**
   * Weight of an update in the mean: the examples behind it ("examples", FedAvg; the default), the same for all ("uniform"), or
   * `normalized()` or `fair(…)`.
   */
  readonly weighting?: JobWeighting;
  /**
   * Parameters that stay on their worker, by patterns of their names: ["dense_1.*"] keeps the second dense layer, a classifier's head (FedPer,
   * Arivazhagan et al. 2019), ["batchNorm*"] its normalisation (FedBN, Li et al. 2021). Each worker begins them from the job's seed and trains its own; they are on no
   * wire and in no version. For workers who want a model of their own and can share most of it; they evaluate it themselves.
   */
  readonly personal?: readonly string[];
  /** "speed" has slow workers make fewer local `steps`, as FedNova (`normalized()`) allows, so that a round does not wait for them. */
  readonly balance?: "equal" | "speed";
  /** How the coordinator's examples are shared out to workers that bring none; default iid(). */
  readonly partition?: PartitionRule;
}

const federatedKnobs: Readonly<Record<keyof FederatedKnobs, true>> = {
  local: true,
  server: true,
  cohort: true,
  weighting: true,
  personal: true,
  balance: true,
  partition: true,
  ...sharedKnobs,
};

/** Federated averaging (McMahan et al. 2017) and its server-optimiser variants (Reddi et al. 2021). */
export function federated(knobsOf: FederatedKnobs): RoundRule {
  checkKnobs("federated", knobsOf, federatedKnobs);
  const { cohort, local, server, weighting, partition, personal, balance, ...shared } = knobsOf;
  return {
    work: localWork(local),
    cohort: cohort ?? { fraction: 1 },
    weighting: weighting ?? usualWeighting(shared),
    server: specOf(server, "server"),
    partition: partition ?? iid(),
    ...given({ personal, balance }),
    ...knobs(shared),
  };
}

export interface LocalStepKnobs extends Omit<FederatedKnobs, "local" | "server" | "weighting" | "balance"> {
  /** Steps between two rounds, the H of the papers. */
  readonly steps: number;
  /** Of each worker. */
  readonly batchSize: number;
  readonly optimizer: Optimizer;
  readonly server?: Optimizer;
}

/**
 * Local SGD (Stich 2019): workers take `steps` steps each and the mean of their models goes on. Training as by a batch of all workers with
 * `steps` times fewer bytes; for one data set on machines with a slow link. With 1 step and sgd it is data-parallel sgd.
 */
export function localSgd({ steps, batchSize, optimizer, server, ...shared }: LocalStepKnobs): RoundRule {
  const step = server ?? sgd({ learningRate: 1 });
  return federated({ ...shared, local: { steps, batchSize, optimizer }, server: step, weighting: "uniform" });
}

export interface DilocoKnobs extends LocalStepKnobs {
  /**
   * Streaming DiLoCo (Douillard et al. 2025): a round, still of `steps` steps, brings in one fragment of the model, in turn, so each of them is
   * merged every `fragments` · `steps` steps (the H of that paper). The bytes of a round, up and down, fall by `fragments`: for links whose
   * peak is what hurts. Workers keep their own values of the other fragments, and should stay; with `weft join --state DIR` they outlive a restart.
   * One that comes anew, or back after a whole turn, begins with the newest version. The next round waits for the merged fragment, so
   * nothing overlaps (τ = 0). α (`mixing`) above 0 pulls less on fragments that are merged often.
   */
  readonly streaming?: StreamingKnobs;
}

/**
 * DiLoCo (Douillard et al. 2023): as `localSgd`, but with an inner optimiser (adamw in the paper) whose state workers keep from
 * round to round, and an outer one, by default the paper's Nesterov sgd, over the mean change. For large models on machines far apart:
 * `steps` of 50 to 500 cost little quality. Workers should stay; one that comes anew begins with a fresh inner state.
 */
export function diloco({ steps, batchSize, optimizer, server, streaming, ...shared }: DilocoKnobs): RoundRule {
  const outer = server ?? sgd({ learningRate: 0.7, momentum: 0.9, nesterov: true });
  const local = { steps, batchSize, optimizer, keepOptimizer: true, ...given({ streaming }) } as const;
  return federated({ ...shared, local, server: outer, weighting: "uniform" });
}

/** A median counts heads; a mean weighs them. */
const usualWeighting = ({ combine }: SharedKnobs): JobWeighting =>
  combine === undefined || combine.kind === "mean" ? "examples" : "uniform";

const knobs = ({ quorum, deadline, normBound, pace, late, evaluation, combine }: SharedKnobs) => ({
  quorum: quorum ?? { fraction: 1 },
  deadlineMs: deadline ?? "adaptive",
  normBound: normBound ?? 1e4,
  ...given({ pace, late, evaluation, combine }),
});

/** The fields that have a value. */
function given<T extends object>(fields: T): { readonly [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}
