/** What must survive a restart besides the model: stored with every round, and made into a state again. */
import { examplesOf } from "./orders.ts";
import type { RunPlan } from "./plan.ts";
import { Roster } from "./roster.ts";
import { keepsRecords, type WorkerRecord } from "./record.ts";
import {
  type Best,
  type Changes,
  freshWorkers,
  initialState,
  newWorker,
  type Progress,
  type Remembered,
  type RunState,
  type WorkerState,
} from "./state.ts";

export interface DurableProgress extends Progress {
  readonly expected: number;
  /** Stream positions of workers with their own data, by identity. */
  readonly positions: Readonly<Record<string, number>>;
  /** What was in force when the round was made. */
  readonly changes?: Changes | undefined;
  readonly best?: Best | undefined;
  /** Where cohorts depend on them, by identity. */
  readonly records?: Readonly<Record<string, WorkerRecord>> | undefined;
  /** Where a correction is shared by all of them. */
  readonly population?: Population | undefined;
}

/** Workers that the run knows, and the examples of all. */
export interface Population {
  readonly workers: number;
  readonly examples: number;
}

export function durableProgress(state: RunState, after: Progress): DurableProgress {
  const positions: Record<string, number> = {};
  const records: Record<string, WorkerRecord> = {};
  const withRecords = keepsRecords(state.plan);
  const note = (id: string, { position, record }: WorkerState | Remembered) => {
    if (position > 0) positions[id] = position;
    if (withRecords) records[id] = record;
  };
  for (const [id, worker] of state.remembered) note(id, worker);
  for (const worker of state.workers.known()) note(worker.id, worker);
  const { expected, changes, best } = state;
  return {
    ...after,
    expected,
    positions,
    ...(Object.keys(changes).length === 0 ? {} : { changes }),
    ...(best === undefined ? {} : { best }),
    ...(withRecords ? { records } : {}),
    ...(isCorrected(state.plan) ? { population: populationOf(state) } : {}),
  };
}

const isCorrected = ({ work }: RunPlan) => work.kind === "local" && work.correction !== undefined;

/** Those who are away or have gone keep their part of a correction. */
function populationOf(state: RunState): Population {
  return { workers: state.workers.size + state.remembered.size, examples: examplesOf(state) };
}

/** The plan under an operator's changes. */
export function changedPlan(plan: RunPlan, { quorum, deadlineMs }: Changes): RunPlan {
  return { ...plan, ...(quorum === undefined ? {} : { quorum }), ...(deadlineMs === undefined ? {} : { deadlineMs }) };
}

/** The state of a run that goes on after `version` rounds; known workers keep their slots if they come back in time. */
export function resumedState(
  plan: RunPlan,
  stored: {
    readonly version: number;
    readonly progress: DurableProgress;
    /** Changes made since the last round; default those of its progress. */
    readonly changes?: Changes | undefined;
    /** Of those with the same slot, the one that was given it last comes last. */
    readonly workers: readonly { readonly id: string; readonly slot: number }[];
    readonly nowMs: number;
  },
): RunState {
  const { epoch, start, epochs, expected, positions, best, records = {} } = stored.progress;
  const changes = stored.changes ?? stored.progress.changes ?? {};
  let workers = Roster.empty(freshWorkers);
  const remembered = new Map<string, Remembered>();
  // A slot that was given to another since is the other's.
  const holders = new Map(stored.workers.map(({ id, slot }) => [slot, id]));
  for (const { id, slot } of stored.workers) {
    const fresh = newWorker(id, slot);
    const kept = { position: positions[id] ?? 0, record: records[id] ?? fresh.record };
    if (holders.get(slot) === id) workers = workers.with({ ...fresh, ...kept, awaySinceMs: stored.nowMs });
    else remembered.set(id, { ...kept, strikes: 0, version: stored.version });
  }
  return {
    ...initialState(changedPlan(plan, changes), expected),
    changes,
    version: stored.version,
    progress: { epoch, start, epochs },
    best,
    workers,
    remembered,
  };
}
