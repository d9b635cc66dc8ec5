/** Combinations of knobs that make no sense, each with the reason: refused when a job is defined, and when one is decoded. */
import type { JobRound } from "./round.ts";
import type { StopRule } from "./stop.ts";

/** The parts of a job that knobs can contradict. */
export interface Combined {
  readonly round: JobRound;
  readonly stop: StopRule;
  /** Examples the coordinator serves, 0 for none; undefined before the data is there. */
  readonly examples: number | undefined;
}

export interface Refusal {
  readonly name: string;
  readonly applies: (job: Combined) => boolean;
  /** What contradicts what, and the remedy. */
  readonly reason: string;
}

const isBuffered = ({ round }: Combined) => round.pace?.kind === "buffered";
const invitesAll = ({ round: { cohort } }: Combined) => "fraction" in cohort && cohort.fraction === 1;
const slicesServed = ({ round, examples }: Combined) =>
  round.work.kind === "gradient" && examples !== undefined && examples > 0;
const onWorkers = ({ round }: Combined) => round.evaluation?.on === "workers";

export const refusals: readonly Refusal[] = [
  {
    name: "a buffered pace with a quorum",
    applies: (job) => isBuffered(job) && !("fraction" in job.round.quorum && job.round.quorum.fraction === 1),
    reason: "a buffered pace makes a version of every `size` updates, whoever they come from; leave `quorum` out",
  },
  {
    name: "a buffered pace with over-selection",
    applies: (job) => isBuffered(job) && (job.round.cohort.overSelect ?? 1) > 1,
    reason: "a buffered pace waits for nobody in particular; raise the cohort instead of `overSelect`",
  },
  {
    name: "a buffered pace with a rule for late updates",
    applies: (job) => isBuffered(job) && job.round.late !== undefined,
    reason: "in a buffered pace no update is late; bound its age by `maxStaleness` and leave `late` out",
  },
  {
    name: "a buffered pace with fairness",
    applies: (job) => isBuffered(job) && job.round.cohort.fairness !== undefined,
    reason: "in a buffered pace whoever is ready gets the next order; fairness is for cohorts of synchronous rounds",
  },
  {
    name: "a buffered pace with balanced slices",
    applies: (job) => isBuffered(job) && job.round.balance === "speed",
    reason: "in a buffered pace a fast worker gets more orders, not larger ones; leave `balance` out",
  },
  {
    name: "a buffer larger than the batch",
    applies: ({ round: { work, pace } }) =>
      work.kind === "gradient" && pace?.kind === "buffered" && pace.size > work.batchSize,
    reason: "the batch is divided among the `size` orders of a version; lower `size` or raise `batchSize`",
  },
  {
    name: "balanced slices of local work",
    applies: ({ round }) => round.balance === "speed" && round.work.kind === "local",
    reason: "`balance` divides the batch of gradient work; local work is measured in epochs of each worker's own data",
  },
  {
    name: "balanced slices that weigh the same",
    applies: ({ round }) => round.balance === "speed" && round.weighting === "uniform",
    reason: 'slices of different size must weigh by their examples; set `weighting` to "examples"',
  },
  {
    name: "sampling where everyone is invited",
    applies: (job) =>
      invitesAll(job) &&
      ((job.round.cohort.sampling ?? "uniform") !== "uniform" || job.round.cohort.fairness !== undefined),
    reason: "a cohort of everyone leaves nothing to sample; lower its fraction",
  },
  {
    name: "over-selection where everyone is invited",
    applies: (job) => invitesAll(job) && (job.round.cohort.overSelect ?? 1) > 1,
    reason: "a cohort of everyone cannot be larger; lower its fraction, or let the quorum be smaller than the cohort",
  },
  {
    name: "a wait shorter than a turn",
    applies: ({ round: { cohort } }) =>
      cohort.fairness !== undefined && "fraction" in cohort && cohort.fairness.maxWait * cohort.fraction < 1,
    reason: "with this fraction a turn of everyone takes longer than `fairness.maxWait` rounds; raise one of them",
  },
  {
    name: "sampling by data nobody owns",
    applies: (job) => slicesServed(job) && ["examples", "loss"].includes(job.round.cohort.sampling ?? ""),
    reason:
      'gradients over the coordinator\'s examples are of a new slice each round; sample by "uniform", "availability" or "speed"',
  },
  {
    name: "examples that count twice",
    applies: ({ round }) => round.cohort.sampling === "examples" && round.weighting === "examples",
    reason:
      'sampling by examples already prefers those with many; set `weighting` to "uniform" (Li et al. 2020, scheme I)',
  },
  {
    name: "evaluation on workers without data",
    applies: (job) => onWorkers(job) && slicesServed(job),
    reason: "workers that take slices of the coordinator's examples hold none out; evaluate on the coordinator",
  },
  {
    name: "patience without evaluations",
    applies: ({ round, stop }) => stop.patience !== undefined && round.evaluation === undefined,
    reason: "`stop.patience` counts evaluations and there are none; give `evaluation`",
  },
  {
    name: "a target checked between evaluations",
    applies: ({ round: { evaluation }, stop: { target } }) =>
      evaluation !== undefined && target !== undefined && target.every !== evaluation.every,
    reason: "`stop.target.every` and `evaluation.every` differ; a target is checked at evaluations",
  },
];

/** The first reason why the combination is refused; undefined when it is sound. */
export function refusalOf(job: Combined): string | undefined {
  const found = refusals.find(({ applies }) => applies(job));
  return found === undefined ? undefined : `${found.name}: ${found.reason}`;
}
