/** Updates begin, arrive, fail or are declined. (run, round, worker, attempt) is applied at most once. */
import {
  change,
  type Draft,
  dropUpload,
  endTask,
  late,
  openRound,
  putMember,
  putRound,
  putWorker,
  sendVerdict,
} from "./draft.ts";
import { declineEvaluation } from "./evaluation.ts";
import { Members } from "./members.ts";
import { endWork, strike, suspendUpload } from "./membership.ts";
import { bufferedPace } from "./plan.ts";
import type { Report } from "./record.ts";
import type { Reason, RunEvent, Verdict } from "./runEvent.ts";
import type { Member, OpenRound, RunState, Task } from "./state.ts";
import { beginTaskUpload, countTask, noteDelivery, taskOf, taskReceiving } from "./tasks.ts";

type Declined = Extract<RunEvent, { kind: "declined" }>;
type Begun = Extract<RunEvent, { kind: "updateBegun" }>;

/** Decides at the header whether the blocks that follow are folded in. */
export function beginUpdate(draft: Draft, event: Begun): void {
  const round = openRound(draft);
  const member = memberOf(round, event);
  const task = taskOf(draft.state, event);
  const refusal = refusalOf(draft.state, event, { round, member, task });
  if (refusal !== undefined) {
    draft.effects.push({ kind: "discard", upload: event.upload });
    sendVerdict(draft, event.worker, event, refusal);
    if (refusal === late) answered(draft, event.worker);
  } else if (task !== undefined) beginTaskUpload(draft, task, event.upload);
  else if (round !== undefined && member !== undefined) {
    const { upload } = event;
    const goesOn = upload === member.upload;
    // A worker that begins anew, such as one that was restarted, sends other bytes.
    if (!goesOn) dropUpload(draft, member);
    putMember(draft, round, { ...member, upload, suspended: false });
    draft.effects.push(
      goesOn ? { kind: "resume", upload } : { kind: "receive", upload, order: member.order, discount: 1 },
    );
  }
}

/** The open round's member that an update of this name comes from. */
function memberOf(round: OpenRound | undefined, event: Begun): Member | undefined {
  const named = event.round === round?.round && event.attempt === round.attempt;
  return named ? round.members.get(event.worker) : undefined;
}

const duplicate: Verdict = { accepted: true, code: "duplicate", text: "this update was counted before" };
const twice: Verdict = {
  accepted: false,
  code: "twice",
  text: "the same update is still arriving; send it once",
};

interface Expected {
  readonly round: OpenRound | undefined;
  readonly member: Member | undefined;
  readonly task: Task | undefined;
}

function refusalOf(state: RunState, event: Begun, { round, member, task }: Expected): Verdict | undefined {
  if (task !== undefined) return task.upload === undefined || task.suspended === true ? undefined : twice;
  const countedIn = versionCounting(state, event);
  if (countedIn !== undefined) return { ...duplicate, version: countedIn };
  if (member === undefined) {
    const isOpen = round?.members.size !== 0 && event.round === round?.round && event.attempt === round.attempt;
    if (isOpen) return { accepted: false, code: "uninvited", text: "the worker is not in the round's cohort" };
    if (event.round <= state.version + 1) return late;
    return { accepted: false, code: "unexpected", text: `round ${event.round} has not been opened` };
  }
  if (member.status !== "working") return { accepted: false, code: "refused", text: "the worker is out of this round" };
  return member.upload === undefined || member.suspended === true ? undefined : twice;
}

/** The version that counts an update of this name already, of the open and the last one. */
export function versionCounting(
  state: RunState,
  { worker, round, attempt }: { readonly worker: string; readonly round: number; readonly attempt: number },
): number | undefined {
  const { closed, phase } = state;
  const open = phase.kind === "open" ? phase.round : undefined;
  const inOpen = open?.round === round && open.attempt === attempt && open.members.get(worker)?.status === "delivered";
  const inClosed = closed.round === round && closed.attempt === attempt && closed.delivered.has(worker);
  if (inOpen || inClosed) return round;
  const same = (other: { worker: string; round: number; attempt: number }) =>
    other.worker === worker && other.round === round && other.attempt === attempt;
  if (open?.counted.some(same) === true) return open.round;
  return closed.counted.some(same) ? closed.round : undefined;
}

/** A worker that answers, even late, is free for the next round. */
function answered(draft: Draft, id: string): void {
  const worker = draft.state.workers.get(id);
  if (worker !== undefined && worker.benchedUntil > 0) putWorker(draft, { ...worker, benchedUntil: 0 });
}

/** The worker's upload that broke off, as long as a round may still count it. */
export function suspendedUpload({ phase, tasks }: RunState, worker: string): number | undefined {
  const task = tasks.get(worker);
  if (task?.suspended === true) return task.upload;
  const member = phase.kind === "open" ? phase.round.members.get(worker) : undefined;
  return member?.status === "working" && member.suspended === true ? member.upload : undefined;
}

interface Receiving {
  readonly round: OpenRound;
  readonly member: Member;
}

/** The open round's member whose upload this is; undefined once the round has closed or the upload was dropped. */
function receiving(draft: Draft, worker: string, upload: number): Receiving | undefined {
  const round = openRound(draft);
  const member = round?.members.get(worker);
  if (round === undefined || member?.status !== "working" || member.upload !== upload) return undefined;
  return { round, member };
}

/** Whole and valid: it counts. */
export function acceptUpdate(draft: Draft, event: Extract<RunEvent, { kind: "updateArrived" }>): void {
  const { worker, upload, report } = event;
  const task = taskReceiving(draft.state, worker, upload);
  if (task !== undefined) {
    countTask(draft, task, report);
    return;
  }
  const found = receiving(draft, worker, upload);
  if (found !== undefined) countMember(draft, found, report);
}

function countMember(draft: Draft, { round, member }: Receiving, report: Report | undefined): void {
  const { worker } = member;
  const members = Members.from(round.members).with({ ...member, status: "delivered" });
  putRound(draft, { ...round, members, lastDeliveryMs: draft.nowMs });
  noteDelivery(draft, worker, { task: member, report, elapsedMs: draft.nowMs - round.openedMs });
  sendVerdict(draft, worker, round, { accepted: true, code: "accepted", text: "counted", version: round.round });
}

/** Not what was asked for: taken out without trace, and its sender is marked. */
export function refuseUpdate(draft: Draft, event: Extract<RunEvent, { kind: "updateInvalid" }>): void {
  const { worker, upload, reason } = event;
  const task = taskReceiving(draft.state, worker, upload);
  const found = receiving(draft, worker, upload);
  if (task !== undefined) {
    endTask(draft, task, { accepted: false, ...reason });
    noteFruitless(draft, worker, reason);
  } else if (found !== undefined) {
    endWork(draft, worker, "refused");
    change(draft, { complaint: reason.text });
    sendVerdict(draft, worker, found.round, { accepted: false, ...reason });
  } else return;
  strike(draft, worker, reason);
}

/** A task ended by its worker's own fault: others come first for the next version. */
function noteFruitless(draft: Draft, id: string, reason: Reason): void {
  const worker = draft.state.workers.get(id);
  if (worker !== undefined) putWorker(draft, { ...worker, benchedUntil: draft.state.version + 2 });
  const { barren, plan } = draft.state;
  change(draft, { complaint: reason.text, barren: bufferedPace(plan) === undefined ? barren : barren + 1 });
}

/** The transfer ended half-way. */
export function breakUpdate(draft: Draft, worker: string, upload: number): void {
  const isArriving = taskReceiving(draft.state, worker, upload) ?? receiving(draft, worker, upload);
  if (isArriving !== undefined) suspendUpload(draft, worker);
}

/** The worker cannot do its order; the round goes on without it. */
export function declineWork(draft: Draft, about: Declined): void {
  const { worker, reason } = about;
  if (declineEvaluation(draft, about)) return;
  const task = draft.state.tasks.get(worker);
  if (task?.round === about.round && task.attempt === about.attempt) {
    endTask(draft, task, { accepted: false, ...reason });
    noteFruitless(draft, worker, reason);
    return;
  }
  const round = openRound(draft);
  if (round?.round !== about.round || round.attempt !== about.attempt) {
    answered(draft, worker);
    return;
  }
  endWork(draft, worker, "refused");
  change(draft, { complaint: reason.text });
}
