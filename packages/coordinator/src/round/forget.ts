/** Workers that have gone are remembered while they may come back, and forgotten in the end: the run's tables stay bounded. */
import { change, type Draft, removeWorkers } from "./draft.ts";
import { freshRecord } from "./record.ts";
import type { Remembered, WorkerState } from "./state.ts";

/** Versions for which the identity of a worker that has gone is kept, when nothing else would be lost with it. */
export const rememberedVersions = 100;
/** Workers that have gone and are remembered at most; the one gone longest is forgotten first. */
export const rememberedWorkers = 4096;

/** Keeps what a worker that goes would need to go on. */
export function rememberWorker(draft: Draft, id: string): void {
  const worker = draft.state.workers.get(id);
  if (worker === undefined) return;
  const { position, strikes, record } = worker;
  const remembered = new Map(draft.state.remembered);
  // Last in the map is gone last.
  remembered.delete(id);
  remembered.set(id, { position, strikes, record, version: draft.state.version });
  change(draft, { remembered });
}

/** What was kept of a worker that comes back, which is now its own again. */
export function takeBack(draft: Draft, id: string): Pick<WorkerState, "position" | "strikes" | "record"> | undefined {
  const kept = draft.state.remembered.get(id);
  if (kept === undefined) return undefined;
  const remembered = new Map(draft.state.remembered);
  remembered.delete(id);
  change(draft, { remembered });
  const { position, strikes, record } = kept;
  return { position, strikes, record };
}

/** Lets go of workers that are away too long to be waited for, unless nobody has come yet to wait with. */
export function forgetAbsent(draft: Draft): void {
  const { plan, workers, phase, started } = draft.state;
  if (started) {
    const members = phase.kind === "open" ? phase.round.members : undefined;
    const gone: string[] = [];
    for (const { id, awaySinceMs } of workers.absent()) {
      if (awaySinceMs === undefined || draft.nowMs < awaySinceMs + plan.gatherMs || members?.has(id) === true) continue;
      rememberWorker(draft, id);
      gone.push(id);
    }
    removeWorkers(draft, gone);
  }
  if (draft.state.remembered.size > rememberedWorkers) pruneRemembered(draft);
}

/** Forgets those who have been gone for long and have nothing to come back to, and the oldest beyond the limit. */
export function pruneRemembered(draft: Draft): void {
  const { remembered, version } = draft.state;
  const surplus = remembered.size - rememberedWorkers;
  const forgotten: string[] = [];
  for (const [id, worker] of remembered) {
    const isOld = worker.version + rememberedVersions < version && !isOwed(worker);
    if (isOld || forgotten.length < surplus) forgotten.push(id);
  }
  if (forgotten.length === 0) return;
  const kept = new Map(remembered);
  for (const id of forgotten) kept.delete(id);
  change(draft, { remembered: kept });
  draft.effects.push({ kind: "forget", workers: forgotten });
}

/** Whether the run would treat the worker otherwise if it came back as a stranger. */
const isOwed = ({ position, strikes, record }: Remembered): boolean =>
  position > 0 || strikes > 0 || record.invited !== freshRecord.invited;
