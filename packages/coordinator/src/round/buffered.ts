/**
 * The buffered pace: every ready worker has an order on the newest version, and every `size` updates make the next one, whatever
 * version they were made on (FedBuff, Nguyen et al. 2022; with size 1 asynchronous SGD; with a bound on staleness the
 * stale-synchronous rule of Ho et al. 2013).
 */
import { workersOf } from "./cohort.ts";
import { deadlineFor } from "./deadline.ts";
import { change, type Draft, openRound, putTask, putWorker } from "./draft.ts";
import { durableProgress } from "./durable.ts";
import { endOf } from "./ending.ts";
import { assignPartitions, gathered } from "./gathering.ts";
import { largestWeight, makeOrder } from "./orders.ts";
import { bufferedPace, type BufferedPace, isEvaluatedHere } from "./plan.ts";
import { keepsRecords } from "./record.ts";
import { eligibleWorkers } from "./ranking.ts";
import { drawFrom, invite } from "./sampling.ts";
import { bufferShortfallOf } from "./shortfall.ts";
import type { OpenRound, WorkerState } from "./state.ts";
import { foldWaiting, holdArriving, stalenessIn } from "./tasks.ts";

export function settleBuffer(draft: Draft): void {
  const pace = bufferedPace(draft.state.plan);
  if (pace === undefined) return;
  let moved = true;
  while (moved) {
    const { kind } = draft.state.phase;
    if (kind === "open") moved = tryClose(draft, pace);
    else if (kind === "gathering") moved = tryOpen(draft, pace);
    else moved = false;
  }
  foldWaiting(draft);
  giveOrders(draft, pace);
}

function tryClose(draft: Draft, pace: BufferedPace): boolean {
  const round = openRound(draft);
  if (round === undefined) return false;
  const { tasks } = draft.state;
  const isDeserted = tasks.size === 0 && draft.state.workers.present === 0;
  const isOver = endOf(draft.state) !== undefined;
  const isOutgrown = largestWeight(draft.state) > round.most;
  // Whoever has come with more examples than the sums have room for waits for the next.
  if (isOver || ((isDeserted || isOutgrown) && round.counted.length === 0)) {
    holdArriving(draft);
    change(draft, { phase: { kind: "gathering" } });
    return true;
  }
  const isDue = (isFull(round, pace) || isOutgrown) && !leavesSomeoneBehind(draft, round, pace);
  if (!isDue && !isDeserted) return false;
  const shortfall = bufferShortfallOf(round, pace, isDeserted);
  if (shortfall !== undefined) draft.effects.push(shortfall);
  commit(draft, round);
  return true;
}

const isFull = ({ counted }: OpenRound, { size }: BufferedPace): boolean => counted.length >= size;

/** Whether the version to be made would put a worker still computing further behind than the job allows. */
function leavesSomeoneBehind({ state }: Draft, round: OpenRound, { maxStaleness }: BufferedPace): boolean {
  if (maxStaleness === undefined) return false;
  // Once the version is made, an update can count at the earliest in the one after it.
  return [...state.tasks.values()].some((task) => stalenessIn(round, task) + 1 > maxStaleness);
}

function commit(draft: Draft, round: OpenRound): void {
  holdArriving(draft);
  const { plan, progress, changes } = draft.state;
  const { counted } = round;
  const epochs = counted.reduce((sum, update) => sum + update.epochs, progress.epochs);
  const after = { ...progress, epochs };
  change(draft, {
    phase: { kind: "committing", round: { ...round, after } },
    closed: { round: round.round, attempt: 0, delivered: new Set(), counted },
  });
  draft.effects.push({
    kind: "commit",
    round: round.round,
    attempt: 0,
    openedMs: round.openedMs,
    cohort: [...new Set(counted.map(({ worker }) => worker))].sort(),
    uploads: counted.map(({ upload }) => upload),
    progress: durableProgress(draft.state, after),
    evaluate: isEvaluatedHere(plan, round.round),
    learningRate: changes.learningRate,
  });
}

function tryOpen(draft: Draft, pace: BufferedPace): boolean {
  const end = draft.state.evaluation === undefined ? endOf(draft.state) : draft.state.ending;
  if (end !== undefined) {
    change(draft, { phase: { kind: "finished", ...end } });
    draft.effects.push({ kind: "finish", ...end });
    return false;
  }
  // The last version's evaluation is waited for; before that, one goes on beside the training.
  if (draft.state.evaluation !== undefined && endOf(draft.state) !== undefined) return false;
  if (!gathered(draft) || draft.state.paused) return false;
  const { version, workers, progress } = draft.state;
  const { nowMs } = draft;
  const round = version + 1;
  const room = pace.size + workers.size;
  const discounts = pace.staleness.kind !== "constant";
  draft.effects.push({ kind: "open", round, attempt: 0, contributions: room, discounts });
  const timing = { openedMs: nowMs, deadlineAtMs: Infinity, lastDeliveryMs: nowMs };
  const opened = { round, attempt: 0, ...timing, members: new Map(), needed: pace.size, room, counted: [] };
  const most = largestWeight(draft.state);
  change(draft, { started: true, phase: { kind: "open", round: { ...opened, most, after: progress } } });
  return true;
}

/** Orders on the newest version for whoever is ready, as many at once as the cohort says. */
function giveOrders(draft: Draft, pace: BufferedPace): void {
  const round = openRound(draft);
  if (round === undefined || draft.state.paused || isFull(round, pace)) return;
  const { plan, attempt, tasks, workers } = draft.state;
  if (workers.present === 0) return;
  let busy = tasks.size;
  for (const { id } of workers.absent()) if (tasks.has(id)) busy -= 1;
  const count = workersOf(plan.cohort, workers.present) - busy;
  if (count <= 0) return;
  const ready = eligibleWorkers(draft.state, { evenResting: tasks.size === 0 });
  if (ready.size === 0) return;
  if (tasks.size === 0 && attempt > 0 && round.counted.length === 0) tellWhy(draft, round);
  const chosen = drawFrom(draft.state, ready, {
    count: Math.min(count, ready.size),
    key: [plan.seed, 3, round.round, attempt],
  }).flatMap(({ id, ownExamples = 0 }) => (plan.work.kind === "local" && ownExamples > round.most ? [] : [id]));
  assignPartitions(draft, chosen);
  for (const id of chosen) giveOrder(draft, id);
}

/** Every order on the version has ended without an update. */
function tellWhy(draft: Draft, { round }: OpenRound): void {
  const { attempt, complaint, barren } = draft.state;
  const reason = barren > 0 ? `no valid update came: ${complaint}` : "no update came in time";
  draft.effects.push({ kind: "reopened", round, attempt, reason });
}

function giveOrder(draft: Draft, id: string): void {
  const worker = draft.state.workers.get(id);
  if (worker === undefined) return;
  const { version, attempt, plan, durations } = draft.state;
  const { order, after } = makeOrder(draft.state, worker);
  const deadlineMs = deadlineFor(plan.deadlineMs, durations, worker.misses);
  const named = { worker: id, round: version + 1, attempt };
  const timing = { givenMs: draft.nowMs, deadlineAtMs: draft.nowMs + deadlineMs };
  change(draft, { attempt: attempt + 1, progress: after });
  putTask(draft, { ...named, order, partition: worker.partition, ...timing, upload: undefined, folding: false });
  if (keepsRecords(plan)) noteInvitation(draft, worker);
  draft.effects.push({ kind: "sendWork", ...named, version, order, deadlineMs });
}

function noteInvitation(draft: Draft, worker: WorkerState): void {
  putWorker(draft, { ...worker, record: invite(worker.record, { invited: true, share: 0 }) });
}
