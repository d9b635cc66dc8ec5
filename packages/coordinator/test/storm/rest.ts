/** What must hold between events: nothing is open, or outstanding, that ought to be over. The rules are spelt out here once more. */
import type { WorkerShare } from "@weft/protocol";
import type { RunPlan } from "../../src/round/plan.ts";
import type { OpenRound, RunState } from "../../src/round/state.ts";
import { type Census, fail, type Ledger } from "./ledger.ts";

export interface RestContext {
  /** With the changes that were made. */
  readonly rules: RunPlan;
  readonly nowMs: number;
  readonly census: Census;
  readonly ledger: Ledger;
  readonly paused: boolean;
  readonly connected: readonly string[];
}

const shareOf = (share: WorkerShare, all: number): number =>
  Math.max(1, "count" in share ? Math.min(share.count, all) : Math.ceil(share.fraction * all - 1e-9));

export function checkRest(state: RunState, context: RestContext): void {
  checkEvaluation(state, context);
  checkFairness(state);
  const { phase } = state;
  if (context.rules.pace?.kind === "buffered") checkTasks(state, context);
  if (phase.kind !== "open") return;
  if (context.rules.pace?.kind === "buffered") checkBuffer(state, phase.round, context);
  else checkRound(phase.round, context);
}

/** Updates in a round and those it may still wait for. */
function tally(round: OpenRound, { census }: Pick<RestContext, "census">) {
  const members = [...round.members.values()];
  const delivered = members.filter(({ status }) => status === "delivered").length;
  const waitedFor = members.filter(({ worker, status }) => status === "working" && census.isAwaited(worker)).length;
  return { delivered, waitedFor };
}

function checkRound(round: OpenRound, context: RestContext): void {
  const { delivered, waitedFor } = tally(round, context);
  const name = `round ${round.round}`;
  if (waitedFor === 0) fail(`${name} waits for nobody`);
  if (context.nowMs >= round.deadlineAtMs) fail(`${name} is open past its deadline`);
  const quorum = shareOf(context.rules.quorum, Math.min(delivered + waitedFor, round.needed));
  if (delivered > 0 && delivered >= quorum) fail(`${name} has its quorum and is still open`);
}

/** Called when a round closes: not before it may. */
export function checkClosing(round: OpenRound, context: RestContext): void {
  const { pace, quorum } = context.rules;
  if (pace?.kind === "buffered") {
    const isShort = round.counted.length < pace.size;
    if (isShort && context.connected.length > 0) fail(`version ${round.round} is made of too few updates`);
    return;
  }
  const { delivered, waitedFor } = tally(round, context);
  const needed = shareOf(quorum, Math.min(delivered + waitedFor, round.needed));
  if (delivered < needed && waitedFor > 0 && context.nowMs < round.deadlineAtMs) {
    fail(`round ${round.round} closes with ${delivered} of ${needed} updates before its deadline`);
  }
}

function checkTasks({ tasks }: RunState, { nowMs, census }: RestContext): void {
  for (const { worker, deadlineAtMs } of tasks.values()) {
    if (nowMs >= deadlineAtMs) fail(`the order of ${worker} is outstanding past its deadline`);
    if (!census.isAwaited(worker)) fail(`an order of ${worker}, which is gone, is waited for`);
  }
}

function checkBuffer(state: RunState, round: OpenRound, context: RestContext): void {
  const { pace, cohort } = context.rules;
  if (pace?.kind !== "buffered") return;
  const { tasks, workers } = state;
  const isFull = round.counted.length >= pace.size;
  const bound = pace.maxStaleness ?? Infinity;
  const guarded = [...tasks.values()].some((task) => round.round + 1 - task.round > bound);
  if (isFull && !guarded) fail(`version ${round.round} has its ${pace.size} updates and is not made`);
  const { connected } = context;
  if (connected.length === 0 && tasks.size === 0) fail(`version ${round.round} waits for nobody`);
  if (isFull || context.paused || connected.length === 0) return;
  if (tasks.size === 0) fail("workers are there and none has an order");
  const everyone = "fraction" in cohort && cohort.fraction === 1;
  const idle = connected.find(
    (id) => !tasks.has(id) && workers.has(id) && (workers.get(id)?.benchedUntil ?? 0) <= round.round,
  );
  if (everyone && idle !== undefined) fail(`${idle} is ready and has no order`);
  if (tasks.size < shareOf(cohort, connected.length) && idle !== undefined)
    fail("fewer are at work than the cohort says");
}

function checkEvaluation({ evaluation, plan, phase }: RunState, { nowMs, census }: RestContext): void {
  if (evaluation === undefined || plan.evaluation?.on !== "workers" || phase.kind === "finished") return;
  const answers = [...evaluation.answers];
  const given = answers.filter(([, answer]) => Boolean(answer)).length;
  const awaited = answers.filter(([id, answer]) => answer === undefined && census.isAwaited(id)).length;
  if (awaited === 0) fail("an evaluation waits for nobody");
  if (nowMs >= evaluation.deadlineAtMs) fail("an evaluation is open past its deadline");
  const quorum = shareOf(plan.evaluation.quorum ?? { fraction: 1 }, given + awaited);
  if (given >= quorum) fail("an evaluation has its quorum and is still open");
}

function checkFairness({ plan, workers, remembered }: RunState): void {
  const { fairness } = plan.cohort;
  if (fairness === undefined) return;
  for (const { record } of [...workers.values(), ...remembered.values()]) {
    const most = Math.max(1, fairness.maxShare * record.due + 1);
    if (record.invited > most + 1e-9) fail(`a worker was invited ${record.invited} times, its share is ${record.due}`);
  }
}
