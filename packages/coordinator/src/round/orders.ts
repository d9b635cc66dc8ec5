/** What each worker of a cohort is to do: a global batch cut in contiguous slices, or epochs on its own share. */
import type { WorkOrder } from "@weft/protocol";
import { presentWorkers } from "./cohort.ts";
import { orderSeed, streamSeed } from "./random.ts";
import type { Progress, RunState, WorkerState } from "./state.ts";

export interface Orders {
  /** In slot order; a worker for whom no example is left is not in it. */
  readonly orders: ReadonlyMap<string, WorkOrder>;
  readonly after: Progress;
}

/** Orders for a cohort in slot order, and where the run stands after them. */
export function makeOrders(state: RunState, cohort: readonly WorkerState[]): Orders {
  const { work } = state.plan;
  return work.kind === "local" ? localOrders(state, cohort, work) : gradientOrders(state, cohort, work.batchSize);
}

function localOrders(
  state: RunState,
  cohort: readonly WorkerState[],
  work: { readonly epochs: number; readonly batchSize: number },
): Orders {
  const { plan, version, progress } = state;
  const orders = new Map<string, WorkOrder>();
  for (const worker of cohort) {
    const seed = orderSeed(plan.seed, version + 1, worker.partition?.index ?? worker.slot);
    orders.set(worker.id, { kind: "local", epochs: work.epochs, batchSize: work.batchSize, seed });
  }
  const share = cohort.length / presentWorkers(state).length;
  return { orders, after: { ...progress, epochs: progress.epochs + work.epochs * share } };
}

/**
 * The round's batch goes to the cohort in equal parts. Workers on the coordinator's set take the next contiguous slices of
 * the epoch's permutation, less at its end; workers with their own data take from their own streams.
 */
function gradientOrders(state: RunState, cohort: readonly WorkerState[], batchSize: number): Orders {
  const { plan, progress, version } = state;
  const own = cohort.filter((worker) => worker.ownExamples !== undefined);
  const served = cohort.filter((worker) => worker.ownExamples === undefined);
  const ownBatch = Math.round((batchSize * own.length) / cohort.length);
  const servedBatch = Math.min(batchSize - ownBatch, plan.examples - progress.start);
  const sizes = new Map([...split(own, ownBatch), ...split(served, servedBatch)]);
  const orders = new Map<string, WorkOrder>();
  let { start } = progress;
  for (const worker of cohort) {
    const count = sizes.get(worker.id) ?? 0;
    if (count === 0) continue;
    const seed = orderSeed(plan.seed, version + 1, orders.size);
    if (worker.ownExamples !== undefined) {
      const stream = streamSeed(plan.seed, worker.slot);
      const examples = { kind: "own", seed: stream, position: worker.position, count } as const;
      orders.set(worker.id, { kind: "gradient", examples, seed });
    } else {
      const examples = { kind: "slice", seed: plan.seed, epoch: progress.epoch, start, count } as const;
      orders.set(worker.id, { kind: "gradient", examples, seed });
      start += count;
    }
  }
  return { orders, after: served.length > 0 ? advance(progress, start, plan.examples) : advanceOwn(state, batchSize) };
}

/** Parts of `total` for some workers, differing by at most one; with fewer examples than workers, the first get one each. */
function split(workers: readonly WorkerState[], total: number): [string, number][] {
  const n = workers.length;
  return workers.map(({ id }, i) => [id, Math.ceil(((i + 1) * total) / n) - Math.ceil((i * total) / n)]);
}

function advance(progress: Progress, start: number, examples: number): Progress {
  const next = start >= examples ? { epoch: progress.epoch + 1, start: 0 } : { epoch: progress.epoch, start };
  return { ...next, epochs: next.epoch + next.start / examples };
}

function advanceOwn(state: RunState, batchSize: number): Progress {
  let total = 0;
  for (const { ownExamples = 0 } of state.workers.values()) total += ownExamples;
  return { ...state.progress, epochs: state.progress.epochs + batchSize / Math.max(total, 1) };
}
