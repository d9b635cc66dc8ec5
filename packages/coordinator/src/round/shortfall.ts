/** A round that closes with fewer updates than were asked for: it is no reason to wait, but nobody is to learn of it by counting. */
import type { WorkerShare } from "@weft/protocol";
import { countedOf, type CountRule } from "./cohort.ts";
import type { BufferedPace } from "./plan.ts";
import type { RunEffect } from "./runEvent.ts";
import type { OpenRound, RunState } from "./state.ts";

type Shortfall = Extract<RunEffect, { kind: "closedShort" }>;

/** Updates that a quorum asks for of a round; a count is what it says, whoever is there. */
const askedOf = (share: WorkerShare, needed: number): number =>
  "count" in share ? share.count : Math.max(1, Math.ceil(share.fraction * needed - 1e-9));

/** Of a round that is about to close; undefined where its quorum has delivered in full. */
export function shortfallOf(
  state: RunState,
  round: OpenRound,
  options: { readonly nowMs: number; readonly counts: CountRule },
): Shortfall | undefined {
  const { members, needed, deadlineAtMs, openedMs } = round;
  const updates = [...members.values()].filter(({ status }) => status === "delivered").length;
  const asked = askedOf(state.plan.quorum, needed);
  if (updates >= asked) return undefined;
  const short = { kind: "closedShort", round: round.round, attempt: round.attempt, updates, asked } as const;
  const counted = countedOf(state, round, options);
  if (options.nowMs >= deadlineAtMs && counted > updates) {
    return { ...short, cause: "deadline", reason: `its deadline of ${deadlineAtMs - openedMs} ms was over` };
  }
  if (needed < asked)
    return { ...short, cause: "cohort", reason: `its cohort was of ${needed} ${needed === 1 ? "worker" : "workers"}` };
  const gone = `${members.size - counted} of ${members.size} invited have left or brought no valid update`;
  return { ...short, cause: "departures", reason: gone };
}

/** The same of a buffered pace, whose quorum is its `size`. */
export function bufferShortfallOf(
  { round, counted }: OpenRound,
  pace: BufferedPace,
  isDeserted: boolean,
): Shortfall | undefined {
  if (counted.length >= pace.size) return undefined;
  const short = { kind: "closedShort", round, attempt: 0, updates: counted.length, asked: pace.size } as const;
  return isDeserted
    ? { ...short, cause: "departures", reason: "every worker has left" }
    : { ...short, cause: "weight", reason: "a worker has come with more examples than its sums had room for" };
}
