/** One step in the making: the state so far and the effects asked for. Handlers replace the state, never change it. */
import type { CountRule } from "./cohort.ts";
import { Members } from "./members.ts";
import type { RunEffect, Verdict } from "./runEvent.ts";
import type { Member, OpenRound, RunState, Task, WorkerState } from "./state.ts";

export interface Draft {
  state: RunState;
  readonly effects: RunEffect[];
  readonly nowMs: number;
  readonly counts: CountRule;
  /** The state's tasks, once they are this step's own and may be changed in place until it ends. */
  tasks?: Map<string, Task>;
}

export function change(draft: Draft, fields: Partial<RunState>): void {
  draft.state = { ...draft.state, ...fields };
}

export function putWorker(draft: Draft, worker: WorkerState): void {
  change(draft, { workers: draft.state.workers.with(worker) });
}

export function removeWorkers(draft: Draft, ids: readonly string[]): void {
  if (ids.length > 0) change(draft, { workers: draft.state.workers.without(ids) });
}

/** The open round, if there is one; a round being committed takes nothing any more. */
export function openRound(draft: Draft): OpenRound | undefined {
  const { phase } = draft.state;
  return phase.kind === "open" ? phase.round : undefined;
}

export function putRound(draft: Draft, round: OpenRound): void {
  change(draft, { phase: { kind: "open", round } });
}

export function putMember(draft: Draft, round: OpenRound, member: Member): void {
  putRound(draft, { ...round, members: Members.from(round.members).with(member) });
}

export function sendVerdict(
  draft: Draft,
  worker: string,
  about: { readonly round: number; readonly attempt: number },
  verdict: Verdict,
): void {
  draft.effects.push({ kind: "verdict", worker, round: about.round, attempt: about.attempt, verdict });
}

/** Takes an upload that was still arriving out of the sums; `undefined` when the member had none. */
export function dropUpload(draft: Draft, member: Member): void {
  if (member.status === "working" && member.upload !== undefined) {
    draft.effects.push({ kind: "discard", upload: member.upload });
  }
}

export const late: Verdict = { accepted: false, code: "late", text: "the round has closed" };

export function putTask(draft: Draft, task: Task): void {
  ownTasks(draft).set(task.worker, task);
}

export function removeTask(draft: Draft, worker: string): void {
  if (draft.state.tasks.has(worker)) ownTasks(draft).delete(worker);
}

/** With a thousand tasks, a copy for every change would be most of a step's time. */
function ownTasks(draft: Draft): Map<string, Task> {
  if (draft.tasks === undefined) {
    draft.tasks = new Map(draft.state.tasks);
    change(draft, { tasks: draft.tasks });
  }
  return draft.tasks;
}

/** Ends a task without its update; `why` is the verdict on an upload that was arriving. */
export function endTask(draft: Draft, task: Task, why: Verdict): void {
  removeTask(draft, task.worker);
  if (task.upload === undefined) return;
  draft.effects.push({ kind: "discard", upload: task.upload });
  sendVerdict(draft, task.worker, task, why);
}
