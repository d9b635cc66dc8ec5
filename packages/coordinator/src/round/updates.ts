/** Updates begin, arrive, fail or are declined. (run, round, worker, attempt) is applied at most once. */
import { change, type Draft, dropUpload, openRound, putMember, putRound, putWorker, sendVerdict } from "./draft.ts";
import { endWork, strike, suspendUpload } from "./membership.ts";
import type { Reason, RunEvent, Verdict } from "./runEvent.ts";
import type { Member, OpenRound } from "./state.ts";

type Declined = Extract<RunEvent, { kind: "declined" }>;
type Begun = Extract<RunEvent, { kind: "updateBegun" }>;

/** Decides at the header whether the blocks that follow are folded in. */
export function beginUpdate(draft: Draft, event: Begun): void {
  const round = openRound(draft);
  const member = round?.members.get(event.worker);
  const refusal = refusalOf(draft, event, member);
  if (refusal !== undefined || round === undefined || member === undefined) {
    draft.effects.push({ kind: "discard", upload: event.upload });
    sendVerdict(draft, event.worker, event, refusal ?? late);
    if (refusal === late) answered(draft, event.worker);
    return;
  }
  const { upload } = event;
  const goesOn = upload === member.upload;
  // A worker that begins anew, such as one that was restarted, sends other bytes.
  if (!goesOn) dropUpload(draft, member);
  putMember(draft, round, { ...member, upload, suspended: false });
  draft.effects.push(goesOn ? { kind: "resume", upload } : { kind: "receive", upload, order: member.order });
}

const late: Verdict = { accepted: false, code: "late", text: "the round has closed" };
const duplicate: Verdict = { accepted: true, code: "duplicate", text: "this update was counted before" };

function refusalOf(draft: Draft, event: Begun, member: Member | undefined): Verdict | undefined {
  const { closed, version } = draft.state;
  const round = openRound(draft);
  if (round === undefined || event.round !== round.round || event.attempt !== round.attempt) {
    const counted = event.round === closed.round && event.attempt === closed.attempt;
    if (counted && closed.delivered.has(event.worker)) return duplicate;
    if (event.round <= version + 1) return late;
    return { accepted: false, code: "unexpected", text: `round ${event.round} has not been opened` };
  }
  if (member === undefined)
    return { accepted: false, code: "uninvited", text: "the worker is not in the round's cohort" };
  if (member.status === "delivered") return duplicate;
  if (member.status !== "working") return { accepted: false, code: "refused", text: "the worker is out of this round" };
  if (member.upload !== undefined && member.suspended !== true) {
    return { accepted: false, code: "twice", text: "the same update is still arriving; send it once" };
  }
  return undefined;
}

/** A worker that answers, even late, is free for the next round. */
function answered(draft: Draft, id: string): void {
  const worker = draft.state.workers.get(id);
  if (worker !== undefined && worker.benchedUntil > 0) putWorker(draft, { ...worker, benchedUntil: 0 });
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
export function acceptUpdate(draft: Draft, worker: string, upload: number): void {
  const found = receiving(draft, worker, upload);
  if (found === undefined) return;
  const { round, member } = found;
  const members = new Map(round.members).set(worker, { ...member, status: "delivered" });
  putRound(draft, { ...round, members, lastDeliveryMs: draft.nowMs });
  const known = draft.state.workers.get(worker);
  if (known !== undefined) {
    const { order } = member;
    const drawn = order.kind === "gradient" && order.examples.kind === "own" ? order.examples.count : 0;
    putWorker(draft, { ...known, position: known.position + drawn, misses: 0, benchedUntil: 0 });
  }
  change(draft, { barren: 0 });
  sendVerdict(draft, worker, round, { accepted: true, code: "accepted", text: "counted" });
}

/** Not what the round asked for: taken out without trace, and its sender is marked. */
export function refuseUpdate(draft: Draft, worker: string, upload: number, reason: Reason): void {
  const found = receiving(draft, worker, upload);
  if (found === undefined) return;
  endWork(draft, worker, "refused");
  change(draft, { complaint: reason.text });
  sendVerdict(draft, worker, found.round, { accepted: false, ...reason });
  strike(draft, worker, reason);
}

/** The transfer ended half-way. */
export function breakUpdate(draft: Draft, worker: string, upload: number): void {
  if (receiving(draft, worker, upload) !== undefined) suspendUpload(draft, worker);
}

/** The worker cannot do its order; the round goes on without it. */
export function declineWork(draft: Draft, about: Declined): void {
  const { worker } = about;
  const round = openRound(draft);
  if (round?.round !== about.round || round.attempt !== about.attempt) {
    answered(draft, worker);
    return;
  }
  endWork(draft, worker, "refused");
  change(draft, { complaint: about.reason.text });
}
