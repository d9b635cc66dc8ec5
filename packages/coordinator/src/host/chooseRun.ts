/** Which of several runs a worker is for: the one that knows it, the one it asks for, or the one that wants workers most. */
import type { MessageOf, PayloadLimits } from "@weft/protocol";
import type { Connection } from "@weft/transport";
import type { RunReport } from "../run/report.ts";

/** A run under way, for those who come in. */
export interface Enterable {
  readonly run: string;
  /** Of messages on its connections. */
  readonly limits: PayloadLimits;
  report(): RunReport;
  /** Whether a worker with this token has been here before. */
  knows(resumeToken: string): boolean;
  attach(connection: Connection): void;
}

export interface TurnedAway {
  readonly code: string;
  readonly reason: string;
  /** Whether coming again later can help. */
  readonly retry: boolean;
}

export function chooseRun<R extends Pick<Enterable, "run" | "report" | "knows">>(
  { run: wanted, resume }: Pick<MessageOf<"hello">, "run" | "resume">,
  runs: readonly R[],
): R | TurnedAway {
  const known = resume === undefined ? undefined : runs.find((run) => run.knows(resume));
  if (known !== undefined) return known;
  const fitting = runs.filter((run) => wanted === undefined || run.run === wanted || run.report().name === wanted);
  const [first] = fitting.toSorted((a, b) => compareNeed(a.report(), b.report()));
  if (first !== undefined) return first;
  return wanted === undefined
    ? { code: "no-run", reason: "no run here wants workers now; it may later", retry: true }
    : { code: "run", reason: `no run ${wanted} is under way here, by id or by its job's name`, retry: false };
}

/** Runs that are not paused first; of those the ones that cannot begin for lack of workers; then those with fewest. */
function compareNeed(a: RunReport, b: RunReport): number {
  const rank = ({ phase, workers, expectedWorkers }: RunReport) =>
    phase === "paused" ? 2 : workers < expectedWorkers ? 0 : 1;
  return rank(a) - rank(b) || a.workers - b.workers;
}
