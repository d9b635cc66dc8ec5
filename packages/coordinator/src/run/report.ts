/** A run as those who ask are told of it: where it stands at this moment. */
import { totalRounds } from "../round/plan.ts";
import type { Changes, RunState } from "../round/state.ts";
import type { FinishReason } from "../events.ts";

export type RunPhase = "gathering" | "running" | "paused" | "waiting for disk" | "ending" | "ended";

export interface RunReport {
  readonly run: string;
  /** The job's name. */
  readonly name: string;
  readonly phase: RunPhase;
  /** Why it waits, or how it ends or ended; empty while it runs. */
  readonly detail: string;
  /** Of a run that has ended. */
  readonly reason: FinishReason | undefined;
  /** Newest version: rounds committed. */
  readonly version: number;
  /** Rounds the run will take, where the stop rule fixes them. */
  readonly totalRounds: number | undefined;
  /** Workers connected and ready, and how many rounds wait for. */
  readonly workers: number;
  readonly expectedWorkers: number;
  /** Of the newest version: the last evaluation's, or the round's training means. */
  readonly metrics: Readonly<Record<string, number>>;
  /** What an operator has changed of the job's rules. */
  readonly changes: Changes;
}

export interface ReportFacts {
  readonly run: string;
  readonly name: string;
  readonly metrics: Readonly<Record<string, number>>;
  /** Why the disk is waited for. */
  readonly waiting: string | undefined;
  /** How the run ended. */
  readonly ended: { readonly reason: FinishReason; readonly detail: string } | undefined;
}

export function reportOf(state: RunState, { run, name, metrics, waiting, ended }: ReportFacts): RunReport {
  const { plan, version, expected, changes } = state;
  return {
    run,
    name,
    ...standing(state, waiting, ended),
    reason: ended?.reason,
    version,
    totalRounds: totalRounds(plan),
    workers: ended === undefined ? state.workers.present : 0,
    expectedWorkers: expected,
    metrics,
    changes,
  };
}

function standing(
  { phase, paused, ending }: RunState,
  waiting: string | undefined,
  ended: ReportFacts["ended"],
): Pick<RunReport, "phase" | "detail"> {
  if (ended !== undefined) return { phase: "ended", detail: ended.detail };
  if (waiting !== undefined) return { phase: "waiting for disk", detail: waiting };
  if (phase.kind === "finished") return { phase: "ending", detail: phase.detail };
  if (ending !== undefined) return { phase: "ending", detail: ending.detail };
  // A round that was open when the pause came is brought to its end.
  if (paused) return { phase: "paused", detail: phase.kind === "gathering" ? "" : "after the round under way" };
  return { phase: phase.kind === "gathering" ? "gathering" : "running", detail: "" };
}
