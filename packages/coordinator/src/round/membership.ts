/** Workers come, go, lose their connection and come back. Each handler only notes it; `settle` draws the conclusions. */
import {
  change,
  type Draft,
  dropUpload,
  endTask,
  openRound,
  putMember,
  putTask,
  putWorker,
  removeWorkers,
} from "./draft.ts";
import { rejoinEvaluation } from "./evaluation.ts";
import { rememberWorker, takeBack } from "./forget.ts";
import type { Reason } from "./runEvent.ts";
import { sendPartition } from "./partition.ts";
import { newWorker } from "./state.ts";

export interface Joining {
  readonly worker: string;
  readonly slot?: number | undefined;
  readonly ownExamples?: number | undefined;
}

/** A new worker takes part from the next round; one that comes back into its round gets its order again. */
export function join(draft: Draft, { worker: id, slot, ownExamples }: Joining): void {
  const known = draft.state.workers.get(id);
  const worker = known ?? { ...newWorker(id, draft.state.workers.freeSlot(slot)), ...takeBack(draft, id) };
  // Its share of the data is sent again, for the process behind the connection may be a new one.
  putWorker(draft, { ...worker, ownExamples, awaySinceMs: undefined, holdsPartition: false, benchedUntil: 0 });
  // While workers keep coming, before the first round, the patience with those missing starts anew.
  if (!draft.state.started) change(draft, { shortSinceMs: undefined });
  if (worker.partition !== undefined && isWorking(draft, id)) sendPartition(draft, id, worker.partition);
  rejoinEvaluation(draft, id);
  rejoinRound(draft, id);
  rejoinTask(draft, id);
}

/** Many new workers at once; each is as if it had joined alone. */
export function joinTogether(draft: Draft, ids: readonly string[]): void {
  change(draft, { workers: draft.state.workers.withFresh(ids) });
  if (!draft.state.started) change(draft, { shortSinceMs: undefined });
}

function isWorking(draft: Draft, id: string): boolean {
  return draft.state.tasks.has(id) || openRound(draft)?.members.get(id)?.status === "working";
}

function rejoinRound(draft: Draft, id: string): void {
  const round = openRound(draft);
  const member = round?.members.get(id);
  if (round === undefined || member?.status !== "working") return;
  putMember(draft, round, { ...member, suspended: member.upload !== undefined });
  draft.effects.push({
    kind: "sendWork",
    worker: id,
    round: round.round,
    attempt: round.attempt,
    version: round.round - 1,
    order: member.order,
    deadlineMs: Math.max(0, round.deadlineAtMs - draft.nowMs),
  });
}

/** An order on the newest version is sent again; one on an older, whose base it may not hold any more, is given up. */
function rejoinTask(draft: Draft, id: string): void {
  const task = draft.state.tasks.get(id);
  if (task === undefined) return;
  const isOfNewest = openRound(draft) !== undefined && task.round === draft.state.version + 1;
  // An update that was on its way needs no base any more.
  if (!isOfNewest && task.upload === undefined) {
    endTask(draft, task, { accepted: false, code: "superseded", text: "the worker has connected anew" });
    return;
  }
  putTask(draft, { ...task, suspended: task.upload !== undefined });
  const { round, attempt, order } = task;
  // What is late has until the open round closes; while none is open, nobody knows when that will be.
  const endsAtMs = Math.min(task.deadlineAtMs, openRound(draft)?.deadlineAtMs ?? Infinity);
  const deadlineMs = Math.min(Math.max(0, endsAtMs - draft.nowMs), longestMs);
  draft.effects.push({ kind: "sendWork", worker: id, round, attempt, version: round - 1, order, deadlineMs });
}

/** A deadline as it travels when there is none. */
const longestMs = 2 ** 31 - 1;

/** Gone by its own word or by ours: nothing waits for it, and its slot is free. What it delivered counts. */
export function leave(draft: Draft, id: string): void {
  if (!draft.state.workers.has(id)) return;
  endWork(draft, id, "left");
  const task = draft.state.tasks.get(id);
  if (task !== undefined) endTask(draft, task, { accepted: false, code: "left", text: "the worker has left" });
  rememberWorker(draft, id);
  removeWorkers(draft, [id]);
  const { started, expected } = draft.state;
  if (started) change(draft, { expected: Math.max(1, expected - 1) });
}

/** The connection is lost: it keeps its place for the gathering time, and what came of its update until the round closes. */
export function disconnect(draft: Draft, id: string): void {
  const worker = draft.state.workers.get(id);
  if (worker === undefined || worker.awaySinceMs !== undefined) return;
  suspendUpload(draft, id);
  putWorker(draft, { ...worker, awaySinceMs: draft.nowMs });
}

/** The connection broke under what a worker was sending; it may go on with it, or send it again. */
export function suspendUpload(draft: Draft, id: string): void {
  const task = draft.state.tasks.get(id);
  if (task?.upload !== undefined) putTask(draft, { ...task, suspended: true });
  const round = openRound(draft);
  const member = round?.members.get(id);
  if (round === undefined || member?.status !== "working" || member.upload === undefined) return;
  putMember(draft, round, { ...member, suspended: true });
}

/** Ends what an undelivered member was sending, for it cannot deliver any more. */
export function endWork(draft: Draft, id: string, status: "refused" | "left"): void {
  const round = openRound(draft);
  const member = round?.members.get(id);
  if (round === undefined || member?.status !== "working") return;
  dropUpload(draft, member);
  putMember(draft, round, { ...member, status, upload: undefined });
}

/** Marks a worker for an invalid update; at the third it is sent away. */
export function strike(draft: Draft, id: string, reason: Reason): void {
  const worker = draft.state.workers.get(id);
  if (worker === undefined) return;
  putWorker(draft, { ...worker, strikes: worker.strikes + 1 });
  if (worker.strikes + 1 < maximumStrikes) return;
  draft.effects.push({ kind: "dismiss", worker: id, reason });
  leave(draft, id);
}

const maximumStrikes = 3;
