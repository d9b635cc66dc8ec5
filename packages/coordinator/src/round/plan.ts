/** What the round machine needs to know of a job and its run: fixed from start to end. */
import type { DeadlineRule, JobWork, WorkerShare } from "@weft/protocol";

export interface RunPlan {
  readonly seed: number;
  readonly work: JobWork;
  readonly cohort: WorkerShare;
  readonly quorum: WorkerShare;
  readonly deadlineMs: DeadlineRule;
  /** Size of the coordinator's own training set; 0 when every worker brings its own. */
  readonly examples: number;
  readonly stop: {
    readonly rounds?: number | undefined;
    readonly epochs?: number | undefined;
    readonly target?: { readonly metric: string; readonly value: number; readonly every: number } | undefined;
  };
  /** How long rounds wait for workers that are expected, and for one that has lost its connection. */
  readonly gatherMs: number;
}

/** Rounds until the stop rule's count of rounds or epochs is reached; undefined where that depends on who takes part. */
export function totalRounds(plan: RunPlan): number | undefined {
  const { rounds, epochs } = plan.stop;
  const byEpochs = epochs === undefined ? undefined : roundsOfEpochs(plan, epochs);
  if (rounds === undefined || byEpochs === undefined) return rounds ?? byEpochs;
  return Math.min(rounds, byEpochs);
}

function roundsOfEpochs({ work, examples, cohort }: RunPlan, epochs: number): number | undefined {
  if (work.kind === "local") {
    const everyone = "fraction" in cohort && cohort.fraction === 1;
    return everyone ? Math.ceil(epochs / work.epochs - tolerance) : undefined;
  }
  if (examples === 0) return undefined;
  const whole = Math.floor(epochs);
  const rest = Math.ceil(((epochs - whole) * examples) / work.batchSize - tolerance);
  return whole * Math.ceil(examples / work.batchSize) + rest;
}

/** Fractions of epochs are sums of quotients; this much below counts as reached. */
export const tolerance = 1e-9;
