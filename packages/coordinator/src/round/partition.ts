/** Sends a worker its share of the coordinator's set. */
import { type Draft, putWorker } from "./draft.ts";

/** Notes which partition the worker holds and sends it. */
export function sendPartition(draft: Draft, id: string, partition: { index: number; of: number }): void {
  const worker = draft.state.workers.get(id);
  if (worker !== undefined) putWorker(draft, { ...worker, partition, holdsPartition: true });
  draft.effects.push({ kind: "sendPartition", worker: id, ...partition });
}
