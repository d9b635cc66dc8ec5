/** The coordinator of a run: see README.md. */
export { type Coordinator, createCoordinator } from "./coordinator.ts";
export { CoordinatorOptionsError, ListenError, RunError, StoreError } from "./errors.ts";
export * from "./events.ts";
export * from "./options.ts";
export type { Outcome } from "./outcome.ts";
export { orderSeed, streamSeed } from "./round/random.ts";
export type { RoundRecord, RunStatus } from "./store/database.ts";
export { listRuns, type LoadedVersion, loadVersion, openRun, type RunSummary, type StoredRun } from "./store/runs.ts";
