/** How many examples updates may stand for. */
import type { RunState } from "../round/state.ts";
import type { ServedExamples } from "../session/examples.ts";

/** The most that the update of a worker may have: what its order, or its share of the data, comprises. */
export function weightLimit({ phase, workers, tasks }: RunState, worker: string, examples: ServedExamples): number {
  const member = phase.kind === "open" ? phase.round.members.get(worker) : undefined;
  const task = tasks.get(worker);
  const order = task?.order ?? member?.order;
  if (order?.kind === "gradient") return order.examples.count;
  const known = workers.get(worker);
  const partition = task?.partition ?? known?.partition;
  if (known?.ownExamples !== undefined || partition === undefined) return known?.ownExamples ?? 0;
  return examples.partition(partition.index, partition.of).length;
}
