/** The state of a run between events: plain data, no clock, no model numbers. */
import type { DeadlineRule, WorkerShare, WorkOrder } from "@weft/protocol";
import type { RunPlan } from "./plan.ts";
import { freshRecord, type WorkerRecord } from "./record.ts";
import { type Freshness, Roster } from "./roster.ts";

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
  /** Orders in a row that ended without its update, and the round from which it is invited again. */
  readonly misses: number;
  readonly benchedUntil: number;
  /** Invalid updates so far. */
  readonly strikes: number;
  readonly record: WorkerRecord;
}

/** What is kept of a worker that has gone, in case it comes back. */
export interface Remembered {
  readonly position: number;
  readonly strikes: number;
  readonly record: WorkerRecord;
  /** The newest version when it went. */
  readonly version: number;
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

/**
 * An order that is bound to no open round: each one of a buffered pace, and that of a worker whose round closed without it where
 * late updates are kept. A worker has one at most.
 */
export interface Task {
  readonly worker: string;
  /** With `attempt` and the worker, names its update; the order is on version `round − 1`. */
  readonly round: number;
  readonly attempt: number;
  readonly order: WorkOrder;
  /** The share of the coordinator's set that its worker had when it was given. */
  readonly partition: WorkerState["partition"];
  readonly givenMs: number;
  /** Infinity where the close of the next round ends it. */
  readonly deadlineAtMs: number;
  /** The upload that is arriving. */
  readonly upload: number | undefined;
  /** As of a member: the worker may come back and go on with it. */
  readonly suspended?: boolean;
  /** Whether the upload is folded into the open sums as it comes; else it is kept aside until there are sums for it. */
  readonly folding: boolean;
}

/** An update that the open round took although its order was bound to none. */
export interface Counted {
  readonly worker: string;
  readonly round: number;
  readonly attempt: number;
  readonly upload: number;
  /** Epochs of the run that it stands for. */
  readonly epochs: number;
}

export interface OpenRound {
  /** Counts from 1; it makes version `round` from version `round - 1`. */
  readonly round: number;
  readonly attempt: number;
  readonly openedMs: number;
  /** Infinity in a buffered pace, where each order has its own. */
  readonly deadlineAtMs: number;
  /** When the last update was accepted. */
  readonly lastDeliveryMs: number;
  /** In slot order. */
  readonly members: ReadonlyMap<string, Member>;
  /** Members that were needed when it opened; over-selection invites more. */
  readonly needed: number;
  /** Updates that its sums have room for, and the most examples that one of them may stand for. */
  readonly room: number;
  readonly most: number;
  readonly counted: readonly Counted[];
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

/** Workers measuring a version on examples they hold out. */
export interface OpenEvaluation {
  readonly version: number;
  readonly deadlineAtMs: number;
  /** In slot order; undefined while the answer is awaited, null when none can come. */
  readonly answers: ReadonlyMap<string, Answer | null | undefined>;
}

/** Sums over `weight` held-out examples. */
export interface Answer {
  readonly weight: number;
  readonly metrics: Readonly<Record<string, number>>;
}

export type Phase =
  | { readonly kind: "gathering" }
  | { readonly kind: "open"; readonly round: OpenRound }
  | { readonly kind: "committing"; readonly round: OpenRound }
  | { readonly kind: "finished"; readonly reason: StopReason; readonly detail: string };

export type StopReason = "rounds" | "epochs" | "target" | "patience" | "stopped" | "failed";

/** What an operator may change of a run under way. */
export interface Changes {
  /** Of the server's optimiser, from the next version on. */
  readonly learningRate?: number | undefined;
  readonly quorum?: WorkerShare | undefined;
  readonly deadlineMs?: DeadlineRule | undefined;
}

/** The best evaluation so far, and how many have followed it. */
export interface Best {
  readonly value: number;
  readonly version: number;
  readonly since: number;
}

export interface Ending {
  readonly reason: StopReason;
  readonly detail: string;
}

export interface RunState {
  /** With what an operator changed. */
  readonly plan: RunPlan;
  readonly changes: Changes;
  readonly phase: Phase;
  /** Rounds committed. */
  readonly version: number;
  /** Of the next opening of the current round; in a buffered pace, of the next order on the newest version. */
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
  readonly workers: Roster<WorkerState>;
  /** Workers that went, the one gone longest first. */
  readonly remembered: ReadonlyMap<string, Remembered>;
  readonly tasks: ReadonlyMap<string, Task>;
  /** Milliseconds from opening to last accepted update of recent rounds; in a buffered pace, from order to update. */
  readonly durations: readonly number[];
  /** The round closed last, to tell a duplicate from a late update. */
  readonly closed: {
    readonly round: number;
    readonly attempt: number;
    readonly delivered: ReadonlySet<string>;
    readonly counted: readonly Counted[];
  };
  readonly evaluation: OpenEvaluation | undefined;
  /** The version that workers evaluated last, whatever came of it. */
  readonly evaluated: number;
  /** The best value so far of the metric that patience watches. */
  readonly best: Best | undefined;
  /** Attempts in a row that ended because every update was refused or declined; in a buffered pace, such orders in a row. */
  readonly barren: number;
  /** Why the last update was refused or declined. */
  readonly complaint: string;
  readonly paused: boolean;
  /** Why no further round is opened. */
  readonly ending: Ending | undefined;
  /** When the last `wake` effect asked to be called. */
  readonly wakeAtMs: number | undefined;
}

export function initialState(plan: RunPlan, expectedWorkers: number): RunState {
  return {
    plan,
    changes: {},
    phase: { kind: "gathering" },
    version: 0,
    attempt: 0,
    progress: { epoch: 0, start: 0, epochs: 0 },
    expected: expectedWorkers,
    started: false,
    shortSinceMs: undefined,
    slots: 0,
    workers: Roster.empty(freshWorkers),
    remembered: new Map(),
    tasks: new Map(),
    durations: [],
    closed: { round: 0, attempt: 0, delivered: new Set(), counted: [] },
    evaluation: undefined,
    evaluated: 0,
    best: undefined,
    barren: 0,
    complaint: "",
    paused: false,
    ending: undefined,
    wakeAtMs: undefined,
  };
}

/** Whether a worker is as it was when it came. */
function isFresh(worker: WorkerState): boolean {
  const { ownExamples, awaySinceMs, partition, holdsPartition, position, misses, benchedUntil, strikes, record } =
    worker;
  const isKnown = ownExamples !== undefined || awaySinceMs !== undefined || partition !== undefined || holdsPartition;
  return !isKnown && position === 0 && misses === 0 && benchedUntil === 0 && strikes === 0 && record === freshRecord;
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
    record: freshRecord,
  };
}

/** What a roster need not hold of a worker. */
export const freshWorkers: Freshness<WorkerState> = { make: newWorker, is: isFresh };
