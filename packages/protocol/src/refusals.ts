/** Combinations of knobs that make no sense, each with the reason: refused when a job is defined, and when one is decoded. */
import type { JobDocument } from "./job.ts";
import type { JobRound, LocalJobWork, WorkerShare } from "./round.ts";
import type { StopRule } from "./stop.ts";

/** The parts of a job that knobs can contradict. */
export interface Combined {
  readonly round: JobRound;
  readonly stop: StopRule;
  /** Examples the coordinator serves, 0 for none; undefined before the data is there. */
  readonly examples: number | undefined;
  readonly codec?: JobDocument["codec"];
  readonly parameters?: JobDocument["parameters"];
}

export interface Refusal {
  readonly name: string;
  readonly applies: (job: Combined) => boolean;
  /** What contradicts what, and the remedy. */
  readonly reason: string;
  /** The figures that contradict each other, where there are any. */
  readonly got?: (job: Combined) => string;
}

const isBuffered = ({ round }: Combined) => round.pace?.kind === "buffered";
const invitesAll = ({ round: { cohort } }: Combined) => "fraction" in cohort && cohort.fraction === 1;
const slicesServed = ({ round, examples }: Combined) =>
  round.work.kind === "gradient" && examples !== undefined && examples > 0;
const localWork = ({ round: { work } }: Combined): LocalJobWork | undefined =>
  work.kind === "local" ? work : undefined;
const corrects = (job: Combined) => localWork(job)?.correction?.kind;
const weighs = ({ round: { weighting } }: Combined) => (typeof weighting === "string" ? weighting : weighting.kind);
const mixesVersions = (job: Combined) => isBuffered(job) || job.round.late === "buffer";
const isPersonal = ({ parameters = [] }: Combined) => parameters.some(({ local }) => local === true);
/** Steps of one constant length along the gradient, so that a change can be divided by them. */
const isPlainSgd = ({ name, learningRate, momentum = 0 }: LocalJobWork["optimizer"]) =>
  name === "sgd" && typeof learningRate === "number" && momentum === 0;
const hasKnownEffort = ({ optimizer, proximal, keepOptimizer }: LocalJobWork) => {
  const { momentum = 0, nesterov = false, dampening = 0, learningRate } = optimizer;
  if (momentum === 0) return isPlainSgd(optimizer) && Number(learningRate) * (proximal ?? 0) < 1;
  const isHeavyBall = isPlainSgd({ ...optimizer, momentum: 0 }) && nesterov === false && dampening === 0;
  return isHeavyBall && proximal === undefined && keepOptimizer !== true;
};
const streams = (job: Combined) => localWork(job)?.streaming !== undefined;
const ordersUpdates = ({ round: { combine = { kind: "mean" } } }: Combined) => combine.kind !== "mean";
const owing: readonly string[] = ["int2", "sign", "topK", "randomK", "lowRank"];
/** Parameters that travel. */
const sharedOf = ({ parameters = [] }: Combined) =>
  parameters.filter(({ local, shape }) => local !== true && !shape.includes(0));
const shareText = (share: WorkerShare) =>
  "count" in share ? `{ count: ${share.count} }` : `{ fraction: ${share.fraction} }`;
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
    name: "a quorum larger than the cohort",
    applies: ({ round: { cohort, quorum } }) => "count" in quorum && "count" in cohort && quorum.count > cohort.count,
    reason: "no more updates can come than workers are invited; lower `quorum` or raise `cohort`",
    got: ({ round: { cohort, quorum } }) => `quorum ${shareText(quorum)}, cohort ${shareText(cohort)}`,
  },
  {
    name: "a buffer larger than the batch",
    applies: ({ round: { work, pace } }) =>
      work.kind === "gradient" && pace?.kind === "buffered" && pace.size > work.batchSize,
    reason: "the batch is divided among the `size` orders of a version; lower `size` or raise `batchSize`",
    got: ({ round: { work, pace } }) =>
      pace?.kind === "buffered" ? `size ${pace.size}, batchSize ${work.batchSize}` : "",
  },
  {
    name: "local work of unequal length",
    applies: (job) =>
      job.round.balance === "speed" &&
      localWork(job) !== undefined &&
      !(weighs(job) === "normalized" && localWork(job)?.steps !== undefined),
    reason:
      "`balance` gives slow workers fewer local steps, which FedNova alone makes up for; give `steps` and the normalized weighting, or leave it out",
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
    got: ({ round: { cohort } }) => `cohort ${shareText(cohort)}, maxWait ${cohort.fairness?.maxWait ?? "none"}`,
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
    got: ({ round: { evaluation }, stop: { target } }) =>
      `${target?.every ?? "none"} and ${evaluation?.every ?? "none"}`,
  },
  {
    name: "local work of no length, or of two",
    applies: (job) => {
      const work = localWork(job);
      return work !== undefined && (work.epochs === undefined) === (work.steps === undefined);
    },
    reason: "local work lasts so many `epochs` or so many `steps`; give one of them",
  },
  {
    name: "parts larger than the batch",
    applies: ({ round: { work } }) => work.kind === "gradient" && (work.microBatch ?? 0) > work.batchSize,
    reason: "`microBatch` is a part of `batchSize`; lower it, or leave it out",
    got: ({ round: { work } }) =>
      `microBatch ${"microBatch" in work ? work.microBatch : "none"}, batchSize ${work.batchSize}`,
  },
  {
    name: "weights that only local work has",
    applies: (job) => localWork(job) === undefined && ["normalized", "fair"].includes(weighs(job)),
    reason:
      'every gradient is one step of the same model; set `weighting` to "examples" or "uniform", or let workers train locally',
  },
  {
    name: "weights across versions",
    applies: (job) => mixesVersions(job) && ["normalized", "fair"].includes(weighs(job)),
    reason: "FedNova and q-FedAvg weigh changes of one base; use the synchronous pace without late updates",
  },
  {
    name: "steps that cannot be counted",
    applies: (job) => {
      const work = localWork(job);
      return weighs(job) === "normalized" && work !== undefined && !hasKnownEffort(work);
    },
    reason:
      "FedNova divides a change by the steps of sgd behind it; train locally with sgd of one learning rate, with or without momentum, " +
      "not both momentum and `proximal`, each round anew",
  },
  {
    name: "a correction across versions",
    applies: (job) => mixesVersions(job) && corrects(job) !== undefined,
    reason:
      "SCAFFOLD and FedDyn add what each round's workers learnt of one base; use the synchronous pace without late updates",
  },
  {
    name: "a correction under other weights",
    applies: (job) => corrects(job) !== undefined && ["normalized", "fair"].includes(weighs(job)),
    reason: 'a correction is shared by examples or evenly; set `weighting` to "examples" or "uniform"',
  },
  {
    name: "a correction and a proximal pull",
    applies: (job) => corrects(job) !== undefined && localWork(job)?.proximal !== undefined,
    reason:
      "SCAFFOLD and FedDyn already keep workers from drifting, and reckon with their steps alone; leave `proximal` out",
  },
  {
    name: "control variates of other steps than sgd's",
    applies: (job) => {
      const work = localWork(job);
      return work?.correction?.kind === "scaffold" && !isPlainSgd(work.optimizer);
    },
    reason:
      "SCAFFOLD takes a change divided by steps and learning rate for a gradient; train locally with sgd of one learning rate, without momentum",
  },
  {
    name: "a correction through a codec that owes",
    applies: (job) => corrects(job) !== undefined && owing.includes(job.codec?.up.kind ?? "f32"),
    reason:
      "what the coordinator adds up must be what workers keep, and this codec sends part of it rounds later; choose codec.up from f32, f16, bf16, int8, int4",
  },
  {
    name: "a server optimiser beside FedDyn's own step",
    applies: (job) => {
      const { server } = job.round;
      return corrects(job) === "feddyn" && !(isPlainSgd(server) && server["learningRate"] === 1);
    },
    reason:
      "FedDyn steps to the mean of the local models less its own memory; let the server be sgd({ learningRate: 1 })",
  },
  {
    name: "streaming across versions",
    applies: (job) => streams(job) && mixesVersions(job),
    reason:
      "a round brings in one part of the model, and an update of another round is of another part; use the synchronous pace without late updates",
  },
  {
    name: "streaming with a pull or a correction",
    applies: (job) => streams(job) && (corrects(job) !== undefined || localWork(job)?.proximal !== undefined),
    reason:
      "`proximal`, SCAFFOLD and FedDyn reckon from the version that a round begins with, and workers that stream go on from models of their own; leave one of them out",
  },
  {
    name: "streaming under other weights",
    applies: (job) => streams(job) && ["normalized", "fair"].includes(weighs(job)),
    reason:
      'what a part has changed by comes from the steps of several rounds, which FedNova and q-FedAvg do not weigh; set `weighting` to "examples" or "uniform"',
  },
  {
    name: "more fragments than parameters",
    applies: (job) => {
      const { streaming } = localWork(job) ?? {};
      const { parameters = [] } = job;
      return streaming !== undefined && parameters.length > 0 && sharedOf(job).length < streaming.fragments;
    },
    reason: "a part of the model is made of whole parameters; lower `streaming.fragments`",
    got: (job) => `${localWork(job)?.streaming?.fragments ?? 0} fragments of ${sharedOf(job).length} parameters`,
  },
  {
    name: "weights in an order statistic",
    applies: (job) => ordersUpdates(job) && job.round.weighting !== "uniform",
    reason:
      'a median or trimmed mean gives every update one vote; set `weighting` to "uniform", or combine by the mean',
  },
  {
    name: "discounts in an order statistic",
    applies: (job) => ordersUpdates(job) && mixesVersions(job),
    reason:
      "a median or trimmed mean cannot weigh old updates less; leave `pace` and `late` out, or combine by the mean",
  },
  {
    name: "a correction of an order statistic",
    applies: (job) => ordersUpdates(job) && corrects(job) !== undefined,
    reason: "SCAFFOLD and FedDyn reckon with the mean of all changes; leave the correction out, or combine by the mean",
  },
  {
    name: "statistics under other weights",
    applies: (job) =>
      ["normalized", "fair"].includes(weighs(job)) &&
      (job.parameters ?? []).some(({ kind, local }) => kind === "statistic" && local !== true),
    reason:
      "running statistics are averaged as they are, not by steps or losses; keep them on the workers (`personal`), or weigh by examples",
  },
  {
    name: "own parameters without local work",
    applies: (job) => isPersonal(job) && localWork(job) === undefined,
    reason: "parameters that stay on a worker are trained there; use local work",
  },
  {
    name: "nothing to share",
    applies: ({ parameters = [] }) => parameters.length > 0 && parameters.every(({ local }) => local === true),
    reason: "every parameter stays on its worker; leave some of them to be shared",
  },
  {
    name: "own parameters measured elsewhere",
    applies: (job) =>
      isPersonal(job) &&
      (job.round.evaluation?.on === "coordinator" || (job.stop.target !== undefined && !onWorkers(job))),
    reason:
      'the coordinator lacks the parameters that stay on workers; let them evaluate: evaluation: { on: "workers", every }',
  },
];

/** The first reason why the combination is refused; undefined when it is sound. */
export function refusalOf(job: Combined): string | undefined {
  const found = refusals.find(({ applies }) => applies(job));
  if (found === undefined) return undefined;
  const got = found.got === undefined ? "" : ` (${found.got(job)})`;
  return `${found.name}${got}: ${found.reason}`;
}
