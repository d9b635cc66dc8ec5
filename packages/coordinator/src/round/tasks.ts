/** Orders bound to no open round: how their uploads move between being kept aside and being folded into open sums. */
import {
  change,
  type Draft,
  endTask,
  late,
  openRound,
  putRound,
  putTask,
  putWorker,
  removeTask,
  sendVerdict,
} from "./draft.ts";
import { remembered } from "./deadline.ts";
import { examplesOf } from "./orders.ts";
import { bufferedPace } from "./plan.ts";
import { type Report, withReport } from "./record.ts";
import type { RunEvent } from "./runEvent.ts";
import { lateRule, stalenessWeight } from "./staleness.ts";
import type { OpenRound, RunState, Task } from "./state.ts";

type Begun = Extract<RunEvent, { kind: "updateBegun" }>;

/** The task that an update answers. */
export function taskOf(state: RunState, { worker, round, attempt }: Begun): Task | undefined {
  const task = state.tasks.get(worker);
  return task?.round === round && task.attempt === attempt ? task : undefined;
}

/** The task whose upload is arriving under this number. */
export function taskReceiving(state: RunState, worker: string, upload: number): Task | undefined {
  const task = state.tasks.get(worker);
  return task?.upload === upload ? task : undefined;
}

/** Takes an upload in, kept aside; `foldWaiting` folds it as soon as there are sums with room. */
export function beginTaskUpload(draft: Draft, task: Task, upload: number): void {
  if (upload === task.upload) {
    // The rest of one that broke: it goes where the first part is.
    putTask(draft, { ...task, suspended: false });
    draft.effects.push({ kind: "resume", upload });
    return;
  }
  dropTaskUpload(draft, task);
  putTask(draft, { ...task, upload, folding: false, suspended: false });
  draft.effects.push({ kind: "hold", upload, order: task.order });
  foldWaiting(draft);
}

/** Takes out what came of a task's upload; the task goes on. */
export function dropTaskUpload(draft: Draft, task: Task): void {
  if (task.upload === undefined) return;
  draft.effects.push({ kind: "discard", upload: task.upload });
  putTask(draft, { ...task, upload: undefined, folding: false });
}

/** Versions made since the base of a task, as seen by the round that would count it. */
export const stalenessIn = (round: OpenRound, task: Pick<Task, "round">): number => round.round - task.round;

/** Folds uploads that were kept aside into the open sums, the oldest first, as far as these have room. */
export function foldWaiting(draft: Draft): void {
  const round = openRound(draft);
  if (round === undefined) return;
  const tasks = [...draft.state.tasks.values()];
  let used = round.members.size + round.counted.length + tasks.filter(({ folding }) => folding).length;
  const waiting = tasks
    .filter((task) => task.upload !== undefined && !task.folding)
    .sort((a, b) => (a.upload ?? 0) - (b.upload ?? 0));
  for (const task of waiting) {
    if (used >= round.room || task.upload === undefined) return;
    used += 1;
    putTask(draft, { ...task, folding: true });
    const rule = bufferedPace(draft.state.plan)?.staleness ?? lateRule;
    const discount = stalenessWeight(rule, stalenessIn(round, task));
    draft.effects.push({ kind: "receive", upload: task.upload, order: task.order, discount });
  }
}

/** The sums close: what is still arriving is taken out of them, and waits for the next. */
export function holdArriving(draft: Draft): void {
  for (const task of draft.state.tasks.values()) {
    if (task.upload === undefined || !task.folding) continue;
    putTask(draft, { ...task, folding: false });
    draft.effects.push({ kind: "hold", upload: task.upload, order: task.order });
  }
}

/** The upload of a task is whole and in the open sums. */
export function countTask(draft: Draft, task: Task, report: Report | undefined): void {
  const round = openRound(draft);
  if (round === undefined || !task.folding || task.upload === undefined) return;
  const { worker, attempt, upload } = task;
  const elapsedMs = draft.nowMs - task.givenMs;
  const counted = { worker, round: task.round, attempt, upload, epochs: epochsOf(draft.state, task) };
  putRound(draft, { ...round, counted: [...round.counted, counted], lastDeliveryMs: draft.nowMs });
  removeTask(draft, worker);
  noteDelivery(draft, worker, { task, report, elapsedMs });
  const { durations, plan } = draft.state;
  if (bufferedPace(plan) !== undefined) change(draft, { durations: [...durations, elapsedMs].slice(-remembered) });
  sendVerdict(draft, worker, task, { accepted: true, code: "accepted", text: "counted", version: round.round });
}

/** What a counted update changes of its worker. */
export function noteDelivery(
  draft: Draft,
  id: string,
  { task, report, elapsedMs }: { task: Pick<Task, "order">; report: Report | undefined; elapsedMs: number },
): void {
  change(draft, { barren: 0 });
  const worker = draft.state.workers.get(id);
  if (worker === undefined) return;
  const { order } = task;
  const drawn = order.kind === "gradient" && order.examples.kind === "own" ? order.examples.count : 0;
  const examples = report === undefined ? 0 : passed(order, report.weight);
  const record = report === undefined ? worker.record : withReport(worker.record, report, { elapsedMs, examples });
  putWorker(draft, { ...worker, position: worker.position + drawn, misses: 0, benchedUntil: 0, record });
}

/** Examples that a worker went through for an update over `weight` of them. */
function passed(order: Task["order"], weight: number): number {
  if (order.kind !== "local") return weight;
  return order.epochs === undefined ? (order.steps ?? 0) * order.batchSize : order.epochs * weight;
}

function epochsOf(state: RunState, { order }: Task): number {
  const { plan, workers } = state;
  if (order.kind === "local") {
    const { epochs, steps = 0, batchSize } = order;
    if (epochs === undefined) return (steps * batchSize) / Math.max(1, examplesOf(state));
    return epochs / Math.max(1, workers.size);
  }
  if (order.kind !== "gradient") return 0;
  return order.examples.count / Math.max(1, order.examples.kind === "slice" ? plan.examples : workers.owned);
}

/** Ends the tasks whose time is over; their workers sit out as those that miss a round's deadline do. */
export function expireTasks(draft: Draft): void {
  for (const task of draft.state.tasks.values()) {
    if (draft.nowMs < task.deadlineAtMs) continue;
    endTask(draft, task, { ...late, text: "the order's deadline has passed" });
    benchWorker(draft, task.worker);
  }
}

/** Sits out: longer each time, so that a worker that hangs costs fewer and fewer deadlines. */
export function benchWorker(draft: Draft, id: string): void {
  const worker = draft.state.workers.get(id);
  if (worker === undefined) return;
  const misses = worker.misses + 1;
  putWorker(draft, { ...worker, misses, benchedUntil: draft.state.version + 2 + 2 ** Math.min(misses - 1, 6) });
}

/** Ends the tasks of workers that are away too long to be waited for; those of workers that left ended with that. */
export function dropTasksOfAbsent(draft: Draft): void {
  const { workers, plan, tasks } = draft.state;
  if (tasks.size === 0) return;
  for (const { id, awaySinceMs } of workers.absent()) {
    const task = tasks.get(id);
    if (task === undefined || awaySinceMs === undefined || draft.nowMs < awaySinceMs + plan.gatherMs) continue;
    endTask(draft, task, { accepted: false, code: "left", text: "the worker has left" });
  }
}
