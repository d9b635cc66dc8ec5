/** Workers in slot order by rank, without a list of them: those that are left out are few. */
import type { Roster } from "./roster.ts";
import type { RunState, WorkerState } from "./state.ts";

/** Some of a roster's workers. */
export interface Ranking {
  readonly size: number;
  /** The one of that rank in the order of slots, from 0. */
  at(rank: number): WorkerState;
  /** All of them: as many objects as there are workers. */
  all(): WorkerState[];
}

/** All but those left out. */
export function rankingWithout(workers: Roster<WorkerState>, leftOut: Iterable<number>): Ranking {
  const { end, slots } = workers.vacancies();
  const gaps = Uint32Array.from(new Set([...slots, ...leftOut])).sort();
  const at = (rank: number): WorkerState => {
    // The first gap that has more than `rank` slots taken before it.
    let low = 0;
    for (let high = gaps.length; low < high;) {
      const middle = (low + high) >> 1;
      if ((gaps[middle] ?? 0) - middle > rank) high = middle;
      else low = middle + 1;
    }
    const worker = workers.at(rank + low);
    if (worker === undefined) throw new Error(`no worker has rank ${rank}`);
    return worker;
  };
  const size = end - gaps.length;
  return { size, at, all: () => Array.from({ length: size }, (_, rank) => at(rank)) };
}

/** Those that are connected. */
export const presentWorkers = ({ workers }: Pick<RunState, "workers">): Ranking =>
  rankingWithout(workers, slotsOf(workers.absent()));

/** Present workers without an order: those that do not sit out, or, where `evenResting`, all of them if there is no other. */
export function eligibleWorkers({ workers, tasks, version }: RunState, { evenResting = true } = {}): Ranking {
  const busy = slotsOf(workers.absent());
  for (const id of tasks.keys()) {
    const slot = workers.get(id)?.slot;
    if (slot !== undefined) busy.push(slot);
  }
  const resting: number[] = [];
  for (const { slot, benchedUntil } of workers.known()) if (benchedUntil > version + 1) resting.push(slot);
  const free = rankingWithout(workers, [...busy, ...resting]);
  return free.size > 0 || !evenResting ? free : rankingWithout(workers, busy);
}

function slotsOf(workers: Iterable<WorkerState>): number[] {
  const slots: number[] = [];
  for (const { slot } of workers) slots.push(slot);
  return slots;
}
