/** Who is invited to a round, and how many of them close it. */
import type { WorkerShare } from "@weft/protocol";
import { Members } from "./members.ts";
import { eligibleWorkers, type Ranking } from "./ranking.ts";
import { drawFrom } from "./sampling.ts";
import type { OpenRound, RunState, WorkerState } from "./state.ts";

/** Workers of a share of `total`, at least one, at most all. */
export function workersOf(share: WorkerShare, total: number): number {
  const wanted = "count" in share ? share.count : Math.ceil(share.fraction * total - 1e-9);
  return Math.max(1, Math.min(wanted, total));
}

export interface Cohort {
  /** In slot order. */
  readonly invited: readonly WorkerState[];
  /** How many of them are needed; over-selection invites more. */
  readonly needed: number;
  /** Those it was drawn from. */
  readonly eligible: Ranking;
}

/**
 * The cohort of the next attempt, in slot order: drawn from the present workers by seed, round and attempt, whatever the order
 * they came in. Those that still work on an older order are left to it; those that owe an answer sit out a few rounds,
 * unless there is no one else.
 */
export function chooseCohort(state: RunState): Cohort {
  const { plan, version, attempt } = state;
  const round = version + 1;
  const eligible = eligibleWorkers(state);
  const needed = workersOf(plan.cohort, eligible.size);
  const count = Math.min(eligible.size, Math.ceil(needed * (plan.cohort.overSelect ?? 1) - 1e-9));
  return { invited: drawFrom(state, eligible, { count, key: [plan.seed, 3, round, attempt] }), needed, eligible };
}

/** Whether every present worker is invited, so that one missing changes the result. */
export function invitesAll(state: RunState): boolean {
  const { cohort } = state.plan;
  return "fraction" in cohort ? cohort.fraction === 1 : cohort.count >= state.expected;
}

/** Decides whether a member of the round can still be counted on; see `countsForQuorum`. */
export type CountRule = (state: RunState, round: OpenRound, worker: string, nowMs: number) => boolean;

/**
 * Delivered updates count for good; an outstanding one while its worker is present, or its connection was lost no longer
 * than the gathering time ago.
 */
export const countsForQuorum: CountRule = (state, round, worker, nowMs) => {
  const member = round.members.get(worker);
  if (member === undefined || member.status === "refused" || member.status === "left") return false;
  if (member.status === "delivered") return true;
  // Whoever leaves is no longer "working": with nobody away there is nothing to look up.
  if (state.workers.present === state.workers.size) return true;
  const known = state.workers.get(worker);
  if (known === undefined) return false;
  return known.awaySinceMs === undefined || nowMs < known.awaySinceMs + state.plan.gatherMs;
};

export type RoundOutcome =
  | { readonly kind: "commit" }
  | { readonly kind: "wait" }
  | { readonly kind: "reopen"; readonly reason: string; readonly barren: boolean };

/** How many of the members count for the quorum. */
export function countedOf(
  state: RunState,
  round: OpenRound,
  { nowMs, counts }: { nowMs: number; counts: CountRule },
): number {
  const members = Members.from(round.members);
  // With nobody away, all who have not dropped out count.
  const { present, size } = state.workers;
  if (counts === countsForQuorum && present === size) return members.count("working") + members.count("delivered");
  let counted = 0;
  for (const worker of members.keys()) if (counts(state, round, worker, nowMs)) counted += 1;
  return counted;
}

/** What becomes of an open round now. The quorum is of those that count, so every departure moves it. */
export function judge(state: RunState, round: OpenRound, options: { nowMs: number; counts: CountRule }): RoundOutcome {
  const members = Members.from(round.members);
  const delivered = members.count("delivered");
  const counted = countedOf(state, round, options);
  const quorum = workersOf(state.plan.quorum, Math.min(counted, round.needed));
  if (delivered > 0 && delivered >= quorum) return { kind: "commit" };
  // Late updates of the round before count, but no round is closed for their sake.
  const updates = delivered + round.counted.length;
  if (counted === 0) {
    if (updates > 0) return { kind: "commit" };
    const barren = members.count("refused") === members.size;
    return { kind: "reopen", reason: barren ? "no valid update came" : "every worker left", barren };
  }
  if (options.nowMs < round.deadlineAtMs) return { kind: "wait" };
  if (updates > 0) return { kind: "commit" };
  const waitedMs = round.deadlineAtMs - round.openedMs;
  return { kind: "reopen", reason: `no update within ${waitedMs} ms`, barren: false };
}
