/**
 * Draws cohorts by a preference, without replacement and repeatably: the items with the smallest of −ln(u)/weight, for u a hash of
 * the draw's key and the worker's slot (Efraimidis & Spirakis 2006). A fairness rule bounds how far preference may go.
 */
import type { CohortRule } from "@weft/protocol";
import { hashOf, sampledPlaces } from "./random.ts";
import type { Ranking } from "./ranking.ts";
import type { WorkerRecord } from "./record.ts";
import type { RunState, WorkerState } from "./state.ts";

/** What draws depend on besides the workers: the plan, and the parts that the coordinator's set is cut in, if it is yet. */
type Drawing = Pick<RunState, "plan"> & Partial<Pick<RunState, "slots">>;

/** `count` of the workers in a ranking, in slot order: of a million of which a few are drawn, only those are looked at. */
export function drawFrom(
  state: Drawing,
  eligible: Ranking,
  { count, key }: { readonly count: number; readonly key: readonly number[] },
): WorkerState[] {
  const { sampling = "uniform", fairness } = state.plan.cohort;
  if (sampling !== "uniform" || fairness !== undefined) return draw(state, eligible.all(), { count, key });
  if (count >= eligible.size) return eligible.all();
  return sampledPlaces(eligible.size, count, key).map((rank) => eligible.at(rank));
}

/** `count` of the eligible workers, in the order given (that of slots). */
export function draw(
  state: Drawing,
  eligible: readonly WorkerState[],
  { count, key }: { readonly count: number; readonly key: readonly number[] },
): WorkerState[] {
  const { sampling = "uniform", fairness } = state.plan.cohort;
  if (count >= eligible.length && fairness === undefined) return [...eligible];
  if (sampling === "uniform" && fairness === undefined) {
    return sampledPlaces(eligible.length, count, key).flatMap((place) => eligible[place] ?? []);
  }
  const ordered = byPreference(state, eligible, key);
  const chosen = new Set(fairness === undefined ? ordered.slice(0, count) : fairly(ordered, count, fairness));
  return eligible.filter((worker) => chosen.has(worker));
}

/** The eligible, the one drawn first in front. */
function byPreference(state: Drawing, eligible: readonly WorkerState[], key: readonly number[]): WorkerState[] {
  const weigh = weighing(state, eligible);
  const places = new Map(
    eligible.map((worker) => {
      // Between 0 and 1, neither included.
      const uniform = (hashOf(...key, 8, worker.slot) + 0.5) / 2 ** 32;
      return [worker, -Math.log(uniform) / weigh(worker)];
    }),
  );
  return eligible.toSorted((a, b) => (places.get(a) ?? 0) - (places.get(b) ?? 0) || a.slot - b.slot);
}

/** Rounds of presence after which a worker counts as steady. */
const steadyRounds = 64;

/** What each worker is preferred by: a positive weight. */
function weighing(
  { plan: { cohort, examples }, slots = 0 }: Drawing,
  eligible: readonly WorkerState[],
): (worker: WorkerState) => number {
  const served = slots > 0 ? slots : eligible.filter(({ ownExamples }) => ownExamples === undefined).length;
  switch (cohort.sampling ?? "uniform") {
    case "uniform":
      return () => 1;
    case "examples":
      // Whoever brings none has an even part of the coordinator's.
      return ({ ownExamples }) => Math.max(1, ownExamples ?? examples / Math.max(1, served));
    case "availability":
      return ({ record }) =>
        ((record.delivered + 1) / (record.invited + 1)) * Math.sqrt(1 + Math.min(record.rounds, steadyRounds));
    case "loss": {
      // Who has not reported yet may be the one with most to learn from (power of choice, Cho et al. 2020).
      const most = Math.max(...eligible.map(({ record }) => record.loss ?? 0), smallest);
      return ({ record }) => Math.max(record.loss ?? most, smallest);
    }
    case "speed": {
      const known = eligible.flatMap(({ record }) => record.speed ?? []);
      const mean = known.length === 0 ? 1 : known.reduce((sum, speed) => sum + speed, 0) / known.length;
      return ({ record }) => Math.max(record.speed ?? mean, smallest);
    }
  }
}

const smallest = 1e-9;

type Fairness = NonNullable<CohortRule["fairness"]>;

/**
 * At most `count` of the workers in order of preference, such that nobody is invited more than `maxShare` times its fair share
 * (one invitation more for the fraction that is due) and, where a full turn fits in `maxWait` rounds, nobody waits longer.
 */
function fairly(ordered: readonly WorkerState[], count: number, { maxShare, maxWait }: Fairness): WorkerState[] {
  const share = Math.min(1, count / ordered.length);
  const longest = ordered.toSorted((a, b) => b.record.waited - a.record.waited || a.slot - b.slot);
  // The k-th longest waiting has its turn at the latest ⌊k / count⌋ rounds from now: is that too late for one of them?
  const isPressing = longest.some(({ record }, k) => record.waited + Math.floor(k / count) + 1 >= maxWait);
  const within = ({ record }: WorkerState) => record.invited <= maxShare * (record.due + share);
  const chosen = new Set((isPressing ? longest : ordered).filter(within).slice(0, count));
  if (chosen.size > 0) return [...chosen];
  const excess = ({ record }: WorkerState) => record.invited - maxShare * record.due;
  return ordered.toSorted((a, b) => excess(a) - excess(b)).slice(0, 1);
}

/**
 * What the fair share of everyone there grows by beyond an even part of the round: those who have gone leave theirs to the others,
 * where nobody who is there has any left.
 */
export function shareOfAbsent(
  fairness: Fairness | undefined,
  invited: readonly WorkerState[],
  eligible: number,
): number {
  if (fairness === undefined) return 0;
  const even = invited.length / eligible;
  const lacking = invited.map(({ record }) => record.invited / fairness.maxShare - record.due - even);
  return Math.max(0, ...lacking);
}

/** Notes that some of the eligible were invited. */
export function invite(record: WorkerRecord, { invited, share }: { invited: boolean; share: number }): WorkerRecord {
  return {
    ...record,
    rounds: record.rounds + 1,
    due: record.due + share,
    invited: record.invited + (invited ? 1 : 0),
    waited: invited ? 0 : record.waited + 1,
  };
}
