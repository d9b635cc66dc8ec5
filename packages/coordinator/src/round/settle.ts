/** What follows from the state by itself: rounds close, open, are opened again; the run ends; the next wake-up is set. */
import { settleBuffer } from "./buffered.ts";
import { type Cohort, chooseCohort, judge } from "./cohort.ts";
import { deadlineFor, remembered } from "./deadline.ts";
import { change, type Draft, dropUpload, endTask, late, openRound, putTask, sendVerdict } from "./draft.ts";
import { durableProgress } from "./durable.ts";
import { endOf } from "./ending.ts";
import { closeEvaluation, openEvaluation } from "./evaluation.ts";
import { forgetAbsent } from "./forget.ts";
import { assignPartitions, gathered, noteShortage } from "./gathering.ts";
import { largestWeight, makeOrders } from "./orders.ts";
import { bufferedPace, isEvaluatedHere } from "./plan.ts";
import { keepsRecords } from "./record.ts";
import { Members } from "./members.ts";
import { presentWorkers } from "./ranking.ts";
import { invite, shareOfAbsent } from "./sampling.ts";
import { shortfallOf } from "./shortfall.ts";
import type { Member, OpenRound } from "./state.ts";
import { benchWorker, dropTasksOfAbsent, expireTasks, foldWaiting, holdArriving } from "./tasks.ts";

/** Brings the state to rest after an event: nothing more can happen before the next event or wake-up. */
export function settle(draft: Draft): void {
  noteShortage(draft);
  dropTasksOfAbsent(draft);
  expireTasks(draft);
  closeEvaluation(draft);
  openEvaluation(draft);
  if (bufferedPace(draft.state.plan) === undefined) settleRounds(draft);
  else settleBuffer(draft);
  forgetAbsent(draft);
  setWake(draft);
}

function settleRounds(draft: Draft): void {
  let moved = true;
  while (moved) {
    const { kind } = draft.state.phase;
    if (kind === "open") moved = tryClose(draft);
    else if (kind === "gathering") moved = tryOpen(draft);
    else moved = false;
  }
  foldWaiting(draft);
}

function tryClose(draft: Draft): boolean {
  const round = openRound(draft);
  if (round === undefined) return false;
  if (draft.state.ending !== undefined) {
    abandon(draft, round);
    return true;
  }
  const outcome = judge(draft.state, round, draft);
  if (outcome.kind === "wait") return false;
  if (outcome.kind === "commit") {
    commit(draft, round);
    return true;
  }
  abandon(draft, round);
  const barren = outcome.barren ? draft.state.barren + 1 : 0;
  change(draft, { attempt: round.attempt + 1, barren });
  draft.effects.push({ kind: "reopened", round: round.round, attempt: round.attempt + 1, reason: outcome.reason });
  return true;
}

/** Ends the attempt without an update. */
function abandon(draft: Draft, round: OpenRound): void {
  holdArriving(draft);
  for (const member of round.members.values()) if (member.status === "working") dismiss(draft, round, member);
  change(draft, { phase: { kind: "gathering" } });
}

function commit(draft: Draft, round: OpenRound): void {
  const shortfall = shortfallOf(draft.state, round, draft);
  if (shortfall !== undefined) draft.effects.push(shortfall);
  endOwed(draft);
  for (const member of round.members.values()) {
    if (member.status !== "working") continue;
    if (draft.state.plan.late === "buffer" && draft.state.workers.has(member.worker)) keepForNext(draft, round, member);
    else dismiss(draft, round, member);
  }
  const members = [...round.members.values()].filter(({ status }) => status === "delivered");
  const { durations, plan } = draft.state;
  const durationMs = round.lastDeliveryMs - round.openedMs;
  change(draft, {
    phase: { kind: "committing", round },
    durations: [...durations, durationMs].slice(-remembered),
    closed: {
      round: round.round,
      attempt: round.attempt,
      delivered: new Set(members.map(({ worker }) => worker)),
      counted: round.counted,
    },
  });
  draft.effects.push({
    kind: "commit",
    round: round.round,
    attempt: round.attempt,
    openedMs: round.openedMs,
    cohort: [...round.members.keys()],
    uploads: [...members.flatMap(({ upload }) => upload ?? []), ...round.counted.map(({ upload }) => upload)],
    progress: durableProgress(draft.state, round.after),
    evaluate: isEvaluatedHere(plan, round.round),
    learningRate: draft.state.changes.learningRate,
  });
}

/** Late updates of the round before had until now. */
function endOwed(draft: Draft): void {
  for (const task of draft.state.tasks.values()) {
    endTask(draft, task, late);
    benchWorker(draft, task.worker);
  }
}

/** A member that is late keeps its order: its update counts in the next round. */
function keepForNext(draft: Draft, { round, attempt, openedMs }: OpenRound, member: Member): void {
  const { worker, order, upload, suspended = false } = member;
  const partition = draft.state.workers.get(worker)?.partition;
  const timing = { givenMs: openedMs, deadlineAtMs: Infinity };
  putTask(draft, { worker, round, attempt, order, partition, upload, suspended, folding: false, ...timing });
  if (upload !== undefined) draft.effects.push({ kind: "hold", upload, order });
}

/** Whoever has not delivered sits out. */
function dismiss(draft: Draft, round: OpenRound, member: Member): void {
  dropUpload(draft, member);
  if (member.upload !== undefined) sendVerdict(draft, member.worker, round, late);
  benchWorker(draft, member.worker);
}

function tryOpen(draft: Draft): boolean {
  const end = draft.state.evaluation === undefined ? endOf(draft.state) : draft.state.ending;
  if (end !== undefined) {
    change(draft, { phase: { kind: "finished", ...end } });
    draft.effects.push({ kind: "finish", ...end });
    return false;
  }
  if (draft.state.evaluation !== undefined || !gathered(draft) || draft.state.paused) return false;
  giveUpOnOwedIfAlone(draft);
  const { nowMs } = draft;
  const cohort = chooseCohort(draft.state);
  const invited = cohort.invited.map(({ id }) => id);
  assignPartitions(draft, invited);
  const { orders, after } = makeOrders(
    draft.state,
    invited.flatMap((id) => draft.state.workers.get(id) ?? []),
  );
  if (orders.size === 0) return false;
  noteInvitations(draft, cohort);
  const { version, attempt, plan, durations, tasks } = draft.state;
  const round = version + 1;
  const deadlineMs = deadlineFor(plan.deadlineMs, durations, attempt);
  const members: Member[] = [];
  const room = orders.size + tasks.size;
  draft.effects.push({ kind: "open", round, attempt, contributions: room, discounts: tasks.size > 0 });
  for (const [worker, order] of orders) {
    members.push({ worker, order, status: "working", upload: undefined });
    draft.effects.push({ kind: "sendWork", worker, round, attempt, version, order, deadlineMs });
  }
  const timing = { openedMs: nowMs, deadlineAtMs: nowMs + deadlineMs, lastDeliveryMs: nowMs };
  const opened = {
    round,
    attempt,
    ...timing,
    members: Members.of(members),
    needed: cohort.needed,
    room,
    most: largestWeight(draft.state),
    counted: [],
    after,
  };
  change(draft, { started: true, phase: { kind: "open", round: opened } });
  return true;
}

/** A round of nobody but the late would wait for nothing: they are let off, and invited like everyone else. */
function giveUpOnOwedIfAlone(draft: Draft): void {
  const { tasks } = draft.state;
  if (tasks.size < draft.state.workers.present) return;
  const present = presentWorkers(draft.state).all();
  if (!present.every(({ id }) => tasks.has(id))) return;
  for (const { id } of present) {
    const task = tasks.get(id);
    if (task !== undefined) endTask(draft, task, late);
  }
}

function noteInvitations(draft: Draft, { invited, eligible }: Cohort): void {
  if (!keepsRecords(draft.state.plan)) return;
  const chosen = new Set(invited.map(({ id }) => id));
  const { plan } = draft.state;
  const share = invited.length / eligible.size + shareOfAbsent(plan.cohort.fairness, invited, eligible.size);
  let { workers } = draft.state;
  for (const { id } of eligible.all()) {
    const worker = workers.get(id);
    if (worker === undefined) continue;
    workers = workers.with({ ...worker, record: invite(worker.record, { invited: chosen.has(id), share }) });
  }
  change(draft, { workers });
}

/** The next time at which something changes although nothing happens. */
function setWake(draft: Draft): void {
  const { phase, shortSinceMs, plan, workers, wakeAtMs, tasks, evaluation } = draft.state;
  const times: number[] = [...tasks.values()].map(({ deadlineAtMs }) => deadlineAtMs);
  if (evaluation !== undefined) times.push(evaluation.deadlineAtMs);
  if (phase.kind === "open") times.push(phase.round.deadlineAtMs);
  if (phase.kind === "open" || tasks.size > 0 || evaluation !== undefined) {
    for (const { awaySinceMs = Infinity } of workers.absent()) times.push(awaySinceMs + plan.gatherMs);
  }
  if (phase.kind === "gathering" && shortSinceMs !== undefined) times.push(shortSinceMs + plan.gatherMs);
  const future = times.filter((time) => time > draft.nowMs && time < Infinity);
  const atMs = future.length === 0 || phase.kind === "finished" ? undefined : Math.min(...future);
  if (atMs === wakeAtMs) return;
  change(draft, { wakeAtMs: atMs });
  draft.effects.push({ kind: "wake", atMs });
}
