/** The knobs of a round, named as the field names them: `dataParallel` and `federated` fill the same structure. */
import type { Optimizer } from "@weft/optim";
import type { JobRound, WorkerShare } from "@weft/protocol";

/** How the coordinator's examples are shared out for local work. */
export type PartitionRule =
  | { readonly kind: "iid" }
  /** Sorted by label and dealt in shards, as in the FedAvg paper (McMahan et al. 2017). */
  | { readonly kind: "shards"; readonly shardsPerWorker: number };

export type RoundRule = JobRound & { readonly partition: PartitionRule };

/** Waits as long as recent rounds suggest: median + k · MAD of their durations. */
export const adaptive = (): "adaptive" => "adaptive";

export const iid = (): PartitionRule => ({ kind: "iid" });
export const shards = (shardsPerWorker: number): PartitionRule => ({ kind: "shards", shardsPerWorker });

interface SharedKnobs {
  /** Updates that close a round, of those invited; default all of them. */
  readonly quorum?: WorkerShare;
  /** Longest a round waits for its quorum, in ms; default adaptive. */
  readonly deadline?: number | "adaptive";
  /** An update of larger L2 norm is refused; default 1e4. Also fixes the grid on which updates are summed exactly. */
  readonly normBound?: number;
}

export interface DataParallelKnobs extends SharedKnobs {
  /** Examples of one round, divided among its workers: the result does not depend on how many there are. */
  readonly batchSize: number;
  /** Steps the model on the coordinator with the mean gradient. */
  readonly optimizer: Optimizer;
}

/** Synchronous data-parallel training: one gradient from every worker, every round. */
export function dataParallel({ batchSize, optimizer, ...shared }: DataParallelKnobs): RoundRule {
  return {
    work: { kind: "gradient", batchSize },
    cohort: { fraction: 1 },
    weighting: "examples",
    server: specOf(optimizer),
    partition: iid(),
    ...knobs(shared),
  };
}

export interface FederatedKnobs extends SharedKnobs {
  /** Workers invited to a round, of those connected; default all of them. */
  readonly cohort?: WorkerShare;
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

const knobs = ({ quorum, deadline, normBound }: SharedKnobs) => ({
  quorum: quorum ?? { fraction: 1 },
  deadlineMs: deadline ?? "adaptive",
  normBound: normBound ?? 1e4,
});

/** A specification is plain JSON data: the form in which optimisers travel. */
const specOf = ({ spec }: Optimizer): JobRound["server"] => ({ ...spec }) as unknown as JobRound["server"];
