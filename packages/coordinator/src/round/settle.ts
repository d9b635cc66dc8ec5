/** What follows from the state by itself: rounds close, open, are opened again; the run ends; the next wake-up is set. */
import { chooseCohort, invitesAll, judge, presentWorkers } from "./cohort.ts";
import { deadlineFor, remembered } from "./deadline.ts";
import { change, type Draft, dropUpload, openRound, putWorker, removeWorkers, sendVerdict } from "./draft.ts";
import { sendPartition } from "./membership.ts";
import { makeOrders } from "./orders.ts";
import { tolerance } from "./plan.ts";
import { durableProgress, type Member, type OpenRound, type StopReason } from "./state.ts";

/** Attempts in a row without one valid update after which the run is given up. */
const barrenAttempts = 3;

/** Brings the state to rest after an event: nothing more can happen before the next event or wake-up. */
export function settle(draft: Draft): void {
  noteShortage(draft);
  let moved = true;
  while (moved) {
    const { kind } = draft.state.phase;
    if (kind === "open") moved = tryClose(draft);
    else if (kind === "gathering") moved = tryOpen(draft);
    else moved = false;
  }
  forgetAbsent(draft);
  setWake(draft);
}

function tryClose(draft: Draft): boolean {
  const round = openRound(draft);
  if (round === undefined) return false;
  if (draft.state.stopping !== undefined) {
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
  dismissOutstanding(draft, round);
  change(draft, { phase: { kind: "gathering" } });
}

function commit(draft: Draft, round: OpenRound): void {
  dismissOutstanding(draft, round);
  const members = [...round.members.values()].filter(({ status }) => status === "delivered");
  const { durations, plan } = draft.state;
  change(draft, {
    phase: { kind: "committing", round },
    durations: [...durations, round.lastDeliveryMs - round.openedMs].slice(-remembered),
    closed: { round: round.round, attempt: round.attempt, delivered: new Set(members.map(({ worker }) => worker)) },
  });
  const { target } = plan.stop;
  draft.effects.push({
    kind: "commit",
    round: round.round,
    attempt: round.attempt,
    openedMs: round.openedMs,
    cohort: [...round.members.keys()],
    uploads: members.flatMap(({ upload }) => upload ?? []),
    progress: durableProgress(draft.state, round.after),
    evaluate: target !== undefined && round.round % target.every === 0,
  });
}

/** Whoever has not delivered sits out: longer each time, so that a worker that hangs costs fewer and fewer deadlines. */
function dismissOutstanding(draft: Draft, round: OpenRound): void {
  for (const member of round.members.values()) {
    if (member.status !== "working") continue;
    dropUpload(draft, member);
    if (member.upload !== undefined) {
      sendVerdict(draft, member.worker, round, { accepted: false, code: "late", text: "the round has closed" });
    }
    bench(draft, member, round.round);
  }
}

function bench(draft: Draft, member: Member, round: number): void {
  const worker = draft.state.workers.get(member.worker);
  if (worker === undefined) return;
  const misses = worker.misses + 1;
  putWorker(draft, { ...worker, misses, benchedUntil: round + 1 + 2 ** Math.min(misses - 1, 6) });
}

/** The stop rule's or the operator's reason to open no further round. */
function endOf(draft: Draft): { readonly reason: StopReason; readonly detail: string } | undefined {
  const { plan, version, progress, stopping, barren, complaint } = draft.state;
  const { rounds, epochs } = plan.stop;
  if (stopping !== undefined) return { reason: "stopped", detail: stopping };
  if (rounds !== undefined && version >= rounds) return { reason: "rounds", detail: `${rounds} rounds are done` };
  if (epochs !== undefined && progress.epochs >= epochs - tolerance) {
    return { reason: "epochs", detail: `${epochs} epochs are done` };
  }
  if (barren >= barrenAttempts) {
    const detail = `round ${version + 1}: ${barren} attempts brought no valid update; the last was refused: ${complaint}`;
    return { reason: "failed", detail };
  }
  return undefined;
}

function tryOpen(draft: Draft): boolean {
  const end = endOf(draft);
  if (end !== undefined) {
    change(draft, { phase: { kind: "finished", ...end } });
    draft.effects.push({ kind: "finish", ...end });
    return false;
  }
  if (!gathered(draft) || draft.state.paused) return false;
  assignPartitions(draft);
  const { state, nowMs } = draft;
  const { orders, after } = makeOrders(state, chooseCohort(state));
  if (orders.size === 0) return false;
  const round = state.version + 1;
  const { attempt } = state;
  const deadlineMs = deadlineFor(state.plan.deadlineMs, state.durations, attempt);
  const members = new Map<string, Member>();
  draft.effects.push({ kind: "open", round, attempt, contributions: orders.size });
  for (const [worker, order] of orders) {
    members.set(worker, { worker, order, status: "working", upload: undefined });
    draft.effects.push({ kind: "sendWork", worker, round, attempt, version: round - 1, order, deadlineMs });
  }
  const timing = { openedMs: nowMs, deadlineAtMs: nowMs + deadlineMs, lastDeliveryMs: nowMs };
  change(draft, { started: true, phase: { kind: "open", round: { round, attempt, ...timing, members, after } } });
  return true;
}

/**
 * Whether the next round need not wait for more workers. The clock runs while some are there, but fewer than expected;
 * when it is out, those present become the expectation. A run under way waits only if its rounds invite everyone: a
 * sample is as good without the one that is missing.
 */
function gathered(draft: Draft): boolean {
  const present = presentWorkers(draft.state).length;
  const { expected, started, plan } = draft.state;
  if (present >= expected) {
    change(draft, { expected: present });
    return true;
  }
  if (present === 0) return false;
  const since = draft.state.shortSinceMs ?? draft.nowMs;
  if (draft.nowMs >= since + plan.gatherMs) {
    change(draft, { expected: present, shortSinceMs: undefined });
    return true;
  }
  if (started && !invitesAll(draft.state)) return true;
  return false;
}

/** Starts or stops the gathering clock. */
function noteShortage(draft: Draft): void {
  const present = presentWorkers(draft.state).length;
  const short = present > 0 && present < draft.state.expected;
  if (short === (draft.state.shortSinceMs !== undefined)) return;
  change(draft, { shortSinceMs: short ? draft.nowMs : undefined });
}

/** Cuts the coordinator's set for local work in as many parts as workers are expected, and gives each its own. */
function assignPartitions(draft: Draft): void {
  const { plan, expected, slots } = draft.state;
  if (plan.work.kind !== "local" || plan.examples === 0) return;
  const present = presentWorkers(draft.state);
  const served = present.filter(({ ownExamples }) => ownExamples === undefined);
  const of = Math.max(served.length, expected - (present.length - served.length));
  if (of !== slots) change(draft, { slots: of });
  const holders = [...draft.state.workers.values()].filter(({ partition }) => partition?.of === of);
  const taken = new Set(holders.map(({ partition }) => partition?.index));
  let index = 0;
  for (const { id, partition, holdsPartition } of served) {
    if (partition?.of === of) {
      if (!holdsPartition) sendPartition(draft, id, partition);
      continue;
    }
    while (taken.has(index)) index += 1;
    taken.add(index);
    sendPartition(draft, id, { index, of });
  }
}

/** Forgets workers that are away too long to be waited for, unless nobody has come yet to wait with. */
function forgetAbsent(draft: Draft): void {
  const { plan, workers, phase } = draft.state;
  const members = phase.kind === "open" ? phase.round.members : new Map<string, Member>();
  const gone = [...workers.values()].filter(
    ({ id, awaySinceMs }) =>
      awaySinceMs !== undefined && draft.nowMs >= awaySinceMs + plan.gatherMs && !members.has(id),
  );
  if (draft.state.started)
    removeWorkers(
      draft,
      gone.map(({ id }) => id),
    );
}

/** The next time at which something changes although nothing happens. */
function setWake(draft: Draft): void {
  const { phase, shortSinceMs, plan, workers, wakeAtMs } = draft.state;
  const times: number[] = [];
  if (phase.kind === "open") {
    times.push(phase.round.deadlineAtMs);
    for (const { awaySinceMs } of workers.values()) {
      if (awaySinceMs !== undefined) times.push(awaySinceMs + plan.gatherMs);
    }
  }
  if (phase.kind === "gathering" && shortSinceMs !== undefined) times.push(shortSinceMs + plan.gatherMs);
  const future = times.filter((time) => time > draft.nowMs);
  const atMs = future.length === 0 ? undefined : Math.min(...future);
  if (atMs === wakeAtMs) return;
  change(draft, { wakeAtMs: atMs });
  draft.effects.push({ kind: "wake", atMs });
}
