/** The state of a run between events: plain data, no clock, no model numbers. */
import type { WorkOrder } from "@weft/protocol";
import type { RunPlan } from "./plan.ts";

/** A worker the coordinator knows; it is present while connected and ready for work. */
export interface WorkerState {
  readonly id: string;
  /** Orders the workers; the lowest free number at joining, kept while the worker is known. */
  readonly slot: number;
  /** Examples the worker brought; undefined when it trains on the coordinator's. */
  readonly ownExamples: number | undefined;
  /** When its connection was lost; undefined while it is present. */
  readonly awaySinceMs: number | undefined;
  /** Its share of the coordinator's set for local work: partition `index` of `of`. */
  readonly partition: { readonly index: number; readonly of: number } | undefined;
  /** Whether that share was sent over its present connection. */
  readonly holdsPartition: boolean;
  /** Examples drawn so far from the stream of its own data. */
  readonly position: number;
  /** Rounds in a row that closed without its update, and the round from which it is invited again. */
  readonly misses: number;
  readonly benchedUntil: number;
  /** Invalid updates so far. */
  readonly strikes: number;
}

/** One invited worker in an open round; one that was refused (or declined) or has left cannot deliver any more. */
export interface Member {
  readonly worker: string;
  readonly order: WorkOrder;
  readonly status: "working" | "delivered" | "refused" | "left";
  /** The upload that is arriving, or was applied. */
  readonly upload: number | undefined;
  /** The connection broke under the upload: what came of it stays in the sums, for the worker may come back and go on. */
  readonly suspended?: boolean;
}

export interface OpenRound {
  /** Counts from 1; it makes version `round` from version `round - 1`. */
  readonly round: number;
  readonly attempt: number;
  readonly openedMs: number;
  readonly deadlineAtMs: number;
  /** When the last update was accepted. */
  readonly lastDeliveryMs: number;
  /** In slot order. */
  readonly members: ReadonlyMap<string, Member>;
  /** Where the run stands once this round is committed. */
  readonly after: Progress;
}

/** How far through the data the run is. */
export interface Progress {
  readonly epoch: number;
  /** Examples of the epoch's permutation that were given out. */
  readonly start: number;
  /** Epochs done; for runs over the coordinator's set, epoch + start / examples. */
  readonly epochs: number;
}

export type Phase =
  | { readonly kind: "gathering" }
  | { readonly kind: "open"; readonly round: OpenRound }
  | { readonly kind: "committing"; readonly round: OpenRound }
  | { readonly kind: "finished"; readonly reason: StopReason; readonly detail: string };

export type StopReason = "rounds" | "epochs" | "target" | "stopped" | "failed";

export interface RunState {
  readonly plan: RunPlan;
  readonly phase: Phase;
  /** Rounds committed. */
  readonly version: number;
  /** Of the next opening of the current round. */
  readonly attempt: number;
  readonly progress: Progress;
  /** Workers for which rounds wait. */
  readonly expected: number;
  /** Whether a round was ever opened since the process started. */
  readonly started: boolean;
  /** Since when some, but fewer workers than expected have been present; before the first round, since the last came. */
  readonly shortSinceMs: number | undefined;
  /** Partitions the coordinator's set is cut in, for local work. */
  readonly slots: number;
  readonly workers: ReadonlyMap<string, WorkerState>;
  /** Milliseconds from opening to last accepted update of recent rounds. */
  readonly durations: readonly number[];
  /** The round closed last, to tell a duplicate from a late update. */
  readonly closed: { readonly round: number; readonly attempt: number; readonly delivered: ReadonlySet<string> };
  /** Attempts in a row that ended because every update was refused or declined. */
  readonly barren: number;
  /** Why the last update was refused or declined. */
  readonly complaint: string;
  readonly paused: boolean;
  readonly stopping: string | undefined;
  /** When the last `wake` effect asked to be called. */
  readonly wakeAtMs: number | undefined;
}

/** What must survive a restart besides the model: stored with every round. */
export interface DurableProgress extends Progress {
  readonly expected: number;
  /** Stream positions of workers with their own data, by identity. */
  readonly positions: Readonly<Record<string, number>>;
}

export function initialState(plan: RunPlan, expectedWorkers: number): RunState {
  return {
    plan,
    phase: { kind: "gathering" },
    version: 0,
    attempt: 0,
    progress: { epoch: 0, start: 0, epochs: 0 },
    expected: expectedWorkers,
    started: false,
    shortSinceMs: undefined,
    slots: 0,
    workers: new Map(),
    durations: [],
    closed: { round: 0, attempt: 0, delivered: new Set() },
    barren: 0,
    complaint: "",
    paused: false,
    stopping: undefined,
    wakeAtMs: undefined,
  };
}

/** The state of a run that goes on after `version` rounds; known workers keep their slots if they come back in time. */
export function resumedState(
  plan: RunPlan,
  stored: {
    readonly version: number;
    readonly progress: DurableProgress;
    readonly workers: readonly { readonly id: string; readonly slot: number }[];
    readonly nowMs: number;
  },
): RunState {
  const { epoch, start, epochs, expected, positions } = stored.progress;
  const workers = new Map<string, WorkerState>();
  for (const { id, slot } of stored.workers) {
    const position = positions[id] ?? 0;
    workers.set(id, { ...newWorker(id, slot), position, awaySinceMs: stored.nowMs });
  }
  return { ...initialState(plan, expected), version: stored.version, progress: { epoch, start, epochs }, workers };
}

export function newWorker(id: string, slot: number): WorkerState {
  return {
    id,
    slot,
    ownExamples: undefined,
    awaySinceMs: undefined,
    partition: undefined,
    holdsPartition: false,
    position: 0,
    misses: 0,
    benchedUntil: 0,
    strikes: 0,
  };
}

export function durableProgress(state: RunState, after: Progress): DurableProgress {
  const positions: Record<string, number> = {};
  for (const { id, position } of state.workers.values()) if (position > 0) positions[id] = position;
  return { ...after, expected: state.expected, positions };
}
