/** How many examples updates may stand for. */
import type { RunState } from "../round/state.ts";
import type { ServedExamples } from "../session/examples.ts";

/** The most that any update of a round can have: fixes the grid of exact sums, so it changes as rarely as possible. */
export function largestWeight({ plan, workers }: RunState): number {
  if (plan.work.kind === "gradient") return plan.work.batchSize;
  if (workers.owners === 0) return plan.examples;
  let most = plan.examples;
  for (const { ownExamples = 0 } of workers.known()) most = Math.max(most, ownExamples);
  return most;
}

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
