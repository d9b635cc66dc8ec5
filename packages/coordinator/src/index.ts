/** The coordinator of a run: see README.md. */
export type { Coordinator } from "./coordinator.ts";
export { createCoordinator } from "./createCoordinator.ts";
export { CoordinatorOptionsError, ListenError, RunError, StoreError } from "./errors.ts";
export * from "./events.ts";
export { createHost, type Host, type HostOptions } from "./host/host.ts";
export * from "./options.ts";
export type { Outcome } from "./outcome.ts";
export { type CountRule, countsForQuorum } from "./round/cohort.ts";
export type { RunPlan } from "./round/plan.ts";
export type { RunPhase, RunReport } from "./run/report.ts";
export type { RunEffect, RunEvent } from "./round/runEvent.ts";
export type { Member, OpenRound, RunState, WorkerState } from "./round/state.ts";
export { step, type Stepped } from "./round/step.ts";
export { type Disk, type LogFile, nodeDisk } from "./store/disk.ts";
export { orderSeed, streamSeed } from "./round/random.ts";
export type { RoundRecord, RunStatus } from "./store/database.ts";
export { listRuns, type LoadedVersion, loadVersion, openRun, type RunSummary, type StoredRun } from "./store/runs.ts";
