/** Workers come, go, lose their connection and come back. Each handler only notes it; `settle` draws the conclusions. */
import { change, type Draft, dropUpload, openRound, putMember, putWorker, removeWorkers } from "./draft.ts";
import type { Reason } from "./runEvent.ts";
import { newWorker, type RunState } from "./state.ts";

export interface Joining {
  readonly worker: string;
  readonly slot?: number | undefined;
  readonly ownExamples?: number | undefined;
  readonly position?: number | undefined;
}

/** A new worker takes part from the next round; one that comes back into its round gets its order again. */
export function join(draft: Draft, { worker: id, slot, ownExamples, position }: Joining): void {
  const known = draft.state.workers.get(id);
  const worker = known ?? { ...newWorker(id, freeSlot(draft.state, slot)), position: position ?? 0 };
  // Its share of the data is sent again, for the process behind the connection may be a new one.
  putWorker(draft, { ...worker, ownExamples, awaySinceMs: undefined, holdsPartition: false, benchedUntil: 0 });
  // While workers keep coming, before the first round, the patience with those missing starts anew.
  if (!draft.state.started) change(draft, { shortSinceMs: undefined });
  const round = openRound(draft);
  const member = round?.members.get(id);
  if (round === undefined || member?.status !== "working") return;
  putMember(draft, round, { ...member, suspended: member.upload !== undefined });
  if (worker.partition !== undefined) sendPartition(draft, id, worker.partition);
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

/** Notes which partition the worker holds and sends it. */
export function sendPartition(draft: Draft, id: string, partition: { index: number; of: number }): void {
  const worker = draft.state.workers.get(id);
  if (worker !== undefined) putWorker(draft, { ...worker, partition, holdsPartition: true });
  draft.effects.push({ kind: "sendPartition", worker: id, ...partition });
}

function freeSlot(state: RunState, wanted: number | undefined): number {
  const taken = new Set([...state.workers.values()].map(({ slot }) => slot));
  if (wanted !== undefined && !taken.has(wanted)) return wanted;
  let slot = 0;
  while (taken.has(slot)) slot += 1;
  return slot;
}

/** Gone by its own word or by ours: nothing waits for it, and its slot is free. What it delivered counts. */
export function leave(draft: Draft, id: string): void {
  if (!draft.state.workers.has(id)) return;
  endWork(draft, id, "left");
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

/** The connection broke under what a member was sending; it may go on with it, or send it again. */
export function suspendUpload(draft: Draft, id: string): void {
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
