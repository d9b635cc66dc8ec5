/** What the round machine needs to know of a job and its run: fixed from start to end, but for what an operator changes. */
import type {
  CohortRule,
  DeadlineRule,
  JobEvaluation,
  JobPace,
  JobRound,
  JobStop,
  JobWork,
  WorkerShare,
} from "@weft/protocol";

export interface RunPlan {
  readonly seed: number;
  readonly work: JobWork;
  /** Default synchronous. */
  readonly pace?: JobPace | undefined;
  readonly cohort: CohortRule;
  readonly quorum: WorkerShare;
  readonly deadlineMs: DeadlineRule;
  readonly late?: JobRound["late"];
  readonly balance?: JobRound["balance"];
  readonly evaluation?: JobEvaluation | undefined;
  /** Size of the coordinator's own training set; 0 when every worker brings its own. */
  readonly examples: number;
  readonly stop: JobStop;
  /** How long rounds wait for workers that are expected, and for one that has lost its connection. */
  readonly gatherMs: number;
}

export type BufferedPace = Extract<JobPace, { kind: "buffered" }>;

/** The pace, where it is buffered. */
export function bufferedPace({ pace }: RunPlan): BufferedPace | undefined {
  return pace?.kind === "buffered" ? pace : undefined;
}

/** Rounds until the stop rule's count of rounds or epochs is reached; undefined where that depends on who takes part. */
export function totalRounds(plan: RunPlan): number | undefined {
  const { rounds, epochs } = plan.stop;
  const byEpochs = epochs === undefined ? undefined : roundsOfEpochs(plan, epochs);
  if (rounds === undefined || byEpochs === undefined) return rounds ?? byEpochs;
  return Math.min(rounds, byEpochs);
}

function roundsOfEpochs(plan: RunPlan, epochs: number): number | undefined {
  const { work, examples, cohort } = plan;
  if (bufferedPace(plan) !== undefined) return undefined;
  if (work.kind === "local") {
    const everyone = "fraction" in cohort && cohort.fraction === 1;
    return everyone && work.epochs !== undefined ? Math.ceil(epochs / work.epochs - tolerance) : undefined;
  }
  if (examples === 0) return undefined;
  const whole = Math.floor(epochs);
  const rest = Math.ceil(((epochs - whole) * examples) / work.batchSize - tolerance);
  return whole * Math.ceil(examples / work.batchSize) + rest;
}

/** Fractions of epochs are sums of quotients; this much below counts as reached. */
export const tolerance = 1e-9;

/** Whether the coordinator is to evaluate a version itself. */
export function isEvaluatedHere({ stop: { target }, evaluation }: RunPlan, version: number): boolean {
  if (evaluation !== undefined) return evaluation.on === "coordinator" && version % evaluation.every === 0;
  return target !== undefined && version % target.every === 0;
}
