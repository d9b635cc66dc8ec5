/** Versions measured by workers on examples they hold out: who is asked, when it is over, what comes of it. */
import { workersOf } from "./cohort.ts";
import { change, type Draft } from "./draft.ts";
import { noteMetrics } from "./ending.ts";
import { assignPartitions } from "./gathering.ts";
import { sendPartition } from "./partition.ts";
import { sampledPlaces } from "./random.ts";
import { presentWorkers } from "./ranking.ts";
import type { RunEvent } from "./runEvent.ts";
import type { Answer, OpenEvaluation } from "./state.ts";

/** Orders to evaluate have attempts from here on: they never share a name with an order to train. */
export const evaluationAttempt = 2 ** 20;
const usualDeadlineMs = 60_000;

/** Asks workers to measure the newest version, where the job wants that. */
export function openEvaluation(draft: Draft): void {
  const { plan, version, evaluated, evaluation, phase } = draft.state;
  const rule = plan.evaluation;
  if (rule?.on !== "workers" || evaluation !== undefined || phase.kind === "finished") return;
  if (version === 0 || version === evaluated || version % rule.every !== 0 || phase.kind === "committing") return;
  const present = presentWorkers(draft.state);
  if (present.size === 0) return;
  const count = workersOf(rule.cohort ?? { fraction: 1 }, present.size);
  const asked = sampledPlaces(present.size, count, [plan.seed, 7, version]).map((rank) => present.at(rank).id);
  assignPartitions(draft, asked);
  const deadlineMs = rule.deadlineMs ?? usualDeadlineMs;
  const answers = new Map(asked.map((id) => [id, undefined]));
  change(draft, { evaluation: { version, deadlineAtMs: draft.nowMs + deadlineMs, answers } });
  for (const id of asked) sendOrder(draft, id, version, deadlineMs);
}

function sendOrder(draft: Draft, worker: string, version: number, deadlineMs: number): void {
  const named = { round: version, attempt: evaluationAttempt, version };
  draft.effects.push({ kind: "sendWork", worker, ...named, order: { kind: "evaluate" }, deadlineMs });
}

/** A worker that comes back is asked again while its version is the newest. */
export function rejoinEvaluation(draft: Draft, worker: string): void {
  const { evaluation, version, phase } = draft.state;
  if (evaluation === undefined || !isAwaited(evaluation, worker)) return;
  if (evaluation.version !== version || phase.kind === "committing") {
    putAnswer(draft, evaluation, worker, null);
    return;
  }
  // It measures on a part of its share, which a new process does not have.
  const { partition, holdsPartition = false } = draft.state.workers.get(worker) ?? {};
  if (partition !== undefined && !holdsPartition) sendPartition(draft, worker, partition);
  sendOrder(draft, worker, version, Math.max(0, evaluation.deadlineAtMs - draft.nowMs));
}

/** Notes a worker's answer; one that was not asked for, or comes twice, changes nothing. */
export function acceptAnswer(draft: Draft, event: Extract<RunEvent, { kind: "evaluated" }>): void {
  const { evaluation } = draft.state;
  const { worker, round, attempt, weight, metrics } = event;
  if (evaluation?.version !== round || attempt !== evaluationAttempt || !isAwaited(evaluation, worker)) return;
  const isSound = weight > 0 && weight < Infinity && Object.values(metrics).every(Number.isFinite);
  putAnswer(draft, evaluation, worker, isSound ? { weight, metrics } : null);
}

/** Whether it was an order to evaluate that a worker declined. */
export function declineEvaluation(draft: Draft, about: { worker: string; round: number; attempt: number }): boolean {
  if (about.attempt !== evaluationAttempt) return false;
  const { evaluation } = draft.state;
  if (evaluation?.version === about.round && isAwaited(evaluation, about.worker)) {
    putAnswer(draft, evaluation, about.worker, null);
  }
  return true;
}

const isAwaited = ({ answers }: OpenEvaluation, worker: string): boolean =>
  answers.has(worker) && answers.get(worker) === undefined;

function putAnswer(draft: Draft, evaluation: OpenEvaluation, worker: string, answer: Answer | null): void {
  change(draft, { evaluation: { ...evaluation, answers: new Map(evaluation.answers).set(worker, answer) } });
}

/** Closes the evaluation once its quorum has answered, nobody else can, or its time is over. */
export function closeEvaluation(draft: Draft): void {
  const { evaluation, plan, workers } = draft.state;
  if (evaluation === undefined || plan.evaluation?.on !== "workers") return;
  const given = [...evaluation.answers.values()].filter((answer): answer is Answer => Boolean(answer));
  const awaited = [...evaluation.answers].filter(([id, answer]) => {
    const awaySinceMs = workers.get(id)?.awaySinceMs;
    const isThere = workers.has(id) && (awaySinceMs === undefined || draft.nowMs < awaySinceMs + plan.gatherMs);
    return answer === undefined && isThere;
  }).length;
  const quorum = workersOf(plan.evaluation.quorum ?? { fraction: 1 }, given.length + awaited);
  const isOver = awaited === 0 || draft.nowMs >= evaluation.deadlineAtMs || given.length >= quorum;
  if (!isOver) return;
  const { version } = evaluation;
  change(draft, { evaluation: undefined, evaluated: version });
  if (given.length === 0) {
    const reason = awaited === 0 ? "no worker could evaluate" : "no worker answered in time";
    draft.effects.push({ kind: "unevaluated", version, reason });
    return;
  }
  const { metrics, weight } = meanOf(given);
  draft.effects.push({ kind: "evaluated", version, metrics, workers: given.length, examples: weight });
  noteMetrics(draft, version, metrics);
}

/** Means over all examples, of what every answer has; the answers stand in slot order, whatever order they came in. */
function meanOf(answers: readonly Answer[]): Answer {
  const weight = answers.reduce((sum, answer) => sum + answer.weight, 0);
  const names = Object.keys(answers[0]?.metrics ?? {}).filter((name) =>
    answers.every(({ metrics }) => Object.hasOwn(metrics, name)),
  );
  const mean = (name: string) => answers.reduce((sum, { metrics }) => sum + (metrics[name] ?? 0), 0) / weight;
  return { weight, metrics: Object.fromEntries(names.map((name) => [name, mean(name)])) };
}
