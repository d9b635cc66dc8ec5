/** Whether a worker has something to do. */
import type { RunState } from "./state.ts";

export function isBusy({ phase, tasks, evaluation }: RunState, worker: string): boolean {
  const isMember = phase.kind === "open" && phase.round.members.get(worker)?.status === "working";
  const isAsked = evaluation?.answers.has(worker) === true && evaluation.answers.get(worker) === undefined;
  return isMember || isAsked || tasks.has(worker);
}
