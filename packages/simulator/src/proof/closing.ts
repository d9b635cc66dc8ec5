/** When rounds must be closed, and when they may: the rules of quorum, deadline and buffer, spelt out a second time. */
import type { OpenRound, RunState } from "@weft/coordinator";
import { BrokenPromise } from "./brokenPromise.ts";

/** A round that is being closed has its quorum or its buffer, its time is over, or nobody else can deliver. */
export function checkQuorum(state: RunState, round: OpenRound, nowMs: number): void {
  const { pace } = state.plan;
  if (pace?.kind === "buffered") {
    const isDeserted = state.tasks.size === 0 && presentOf(state) === 0;
    // Sums have no room for the update of one who has come with more examples than anyone before.
    const isOutgrown = [...state.workers.values()].some(({ ownExamples = 0 }) => ownExamples > round.most);
    if (round.counted.length >= pace.size || isDeserted || isOutgrown) return;
    throw new BrokenPromise(
      `round ${round.round} is closed with ${round.counted.length} updates in a buffer of ${pace.size}`,
    );
  }
  const { delivered, waitedFor } = tally(state, round, nowMs);
  const quorum = quorumOf(state, Math.min(delivered + waitedFor, round.needed));
  if (nowMs >= round.deadlineAtMs || waitedFor === 0 || (delivered > 0 && delivered >= quorum)) return;
  throw new BrokenPromise(
    `round ${round.round} is closed with ${delivered} updates while ${waitedFor} more are to come; its quorum is ${quorum}`,
  );
}

/** Nothing is open that ought to be closed, nothing waits that ought to be open. */
export function checkOpen(state: RunState, nowMs: number): void {
  const { phase, tasks } = state;
  for (const { round, deadlineAtMs } of tasks.values()) {
    if (phase.kind !== "finished" && nowMs >= deadlineAtMs) {
      throw new BrokenPromise(`an order of round ${round} stands past its deadline`);
    }
  }
  if (phase.kind === "gathering") checkGathering(state, nowMs);
  else if (phase.kind === "open" && state.plan.pace?.kind === "buffered") checkBuffer(state, phase.round);
  else if (phase.kind === "open") checkRound(state, phase.round, nowMs);
}

function checkRound(state: RunState, round: OpenRound, nowMs: number): void {
  const { delivered, waitedFor } = tally(state, round, nowMs);
  if (waitedFor === 0) throw new BrokenPromise(`round ${round.round} waits for nobody`);
  if (nowMs >= round.deadlineAtMs) throw new BrokenPromise(`round ${round.round} is open past its deadline`);
  if (delivered > 0 && delivered >= quorumOf(state, Math.min(delivered + waitedFor, round.needed))) {
    throw new BrokenPromise(`round ${round.round} has its quorum and is still open`);
  }
}

function checkBuffer({ plan, tasks }: RunState, round: OpenRound): void {
  if (plan.pace?.kind !== "buffered" || round.counted.length < plan.pace.size) return;
  const { maxStaleness = Infinity } = plan.pace;
  const isWaitedFor = [...tasks.values()].some((task) => round.round - task.round + 1 > maxStaleness);
  if (!isWaitedFor) throw new BrokenPromise(`round ${round.round} has its buffer full and is still open`);
}

function checkGathering(state: RunState, nowMs: number): void {
  const present = presentOf(state);
  if (state.paused || present === 0 || state.evaluation !== undefined) return;
  if (present >= state.expected) {
    throw new BrokenPromise(`everyone is there and round ${state.version + 1} is not opened`);
  }
  const { shortSinceMs } = state;
  if (shortSinceMs === undefined || nowMs >= shortSinceMs + state.plan.gatherMs) {
    throw new BrokenPromise(`the time to gather is over and round ${state.version + 1} is not opened`);
  }
}

function presentOf({ workers }: RunState): number {
  return [...workers.values()].filter(({ awaySinceMs }) => awaySinceMs === undefined).length;
}

function tally(state: RunState, round: OpenRound, nowMs: number): { delivered: number; waitedFor: number } {
  let [delivered, waitedFor] = [0, 0];
  for (const { worker, status } of round.members.values()) {
    if (status === "delivered") delivered += 1;
    const known = state.workers.get(worker);
    if (status !== "working" || known === undefined) continue;
    const gone = known.awaySinceMs !== undefined && nowMs >= known.awaySinceMs + state.plan.gatherMs;
    if (!gone) waitedFor += 1;
  }
  return { delivered, waitedFor };
}

function quorumOf({ plan }: RunState, all: number): number {
  const share = plan.quorum;
  return "count" in share ? Math.min(share.count, all) : Math.ceil(share.fraction * all - 1e-9);
}
