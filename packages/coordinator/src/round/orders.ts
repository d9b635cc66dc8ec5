/** What each worker of a cohort is to do: a global batch cut in contiguous slices, or epochs on its own share. */
import type { LocalJobWork, WorkOrder } from "@weft/protocol";
import { bufferedPace } from "./plan.ts";
import { hashOf, orderSeed, streamSeed } from "./random.ts";
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

function localOrders(state: RunState, cohort: readonly WorkerState[], work: LocalJobWork): Orders {
  const { plan, version, progress } = state;
  const orders = new Map<string, WorkOrder>();
  const fastest = Math.max(...cohort.map(({ record }) => record.speed ?? 0));
  for (const worker of cohort) {
    const seed = orderSeed(plan.seed, version + 1, worker.partition?.index ?? worker.slot);
    orders.set(worker.id, localOrder({ ...work, ...paced(plan, worker, fastest) }, seed));
  }
  const { epochs } = work;
  const gone = [...orders.values()].reduce((sum, order) => sum + (order.kind === "local" ? batchesOf(order) : 0), 0);
  const done =
    epochs === undefined ? gone / Math.max(1, examplesOf(state)) : (epochs * cohort.length) / state.workers.present;
  return { orders, after: { ...progress, epochs: progress.epochs + done } };
}

const batchesOf = ({ steps = 0, batchSize }: { readonly steps?: number | undefined; readonly batchSize: number }) =>
  steps * batchSize;

/** Under `balance`, slower workers make fewer steps, so that all are done at about the same time; the fastest makes all. */
function paced({ work, balance }: RunState["plan"], { record }: WorkerState, fastest: number): { steps?: number } {
  if (balance !== "speed" || work.kind !== "local" || work.steps === undefined) return {};
  if (record.speed === undefined || fastest === 0) return {};
  return { steps: Math.max(1, Math.round((work.steps * record.speed) / fastest)) };
}

/** The most that any update of a round can have: fixes the grid of exact sums, so it changes as rarely as possible. */
export function largestWeight({ plan, workers }: Pick<RunState, "plan" | "workers">): number {
  if (plan.work.kind === "gradient") return plan.work.batchSize;
  if (workers.owners === 0) return plan.examples;
  let most = plan.examples;
  for (const { ownExamples = 0 } of workers.known()) most = Math.max(most, ownExamples);
  return most;
}

function localOrder({ epochs, steps, batchSize }: LocalJobWork, seed: number): WorkOrder {
  const length = epochs === undefined ? { steps } : { epochs };
  return { kind: "local", ...length, batchSize, seed };
}

/** Examples that the run trains on: the coordinator's, and what workers bring. */
export function examplesOf({ plan, workers }: Pick<RunState, "plan" | "workers">): number {
  return plan.examples + workers.owned;
}

/**
 * The round's batch is divided among the cohort. Workers on the coordinator's set take the next contiguous slices of
 * the epoch's permutation, less at its end; workers with their own data take from their own streams.
 */
function gradientOrders(state: RunState, cohort: readonly WorkerState[], batchSize: number): Orders {
  const { plan, progress, version } = state;
  const own = cohort.filter((worker) => worker.ownExamples !== undefined);
  const served = cohort.filter((worker) => worker.ownExamples === undefined);
  const divide = plan.balance === "speed" ? divideBySpeed : split;
  const ownBatch = Math.round((batchSize * own.length) / cohort.length);
  const servedBatch = Math.min(batchSize - ownBatch, plan.examples - progress.start);
  const sizes = new Map([...divide(own, ownBatch), ...divide(served, servedBatch)]);
  const orders = new Map<string, WorkOrder>();
  let { start } = progress;
  for (const worker of cohort) {
    const count = sizes.get(worker.id) ?? 0;
    if (count === 0) continue;
    const seed = orderSeed(plan.seed, version + 1, orders.size);
    orders.set(worker.id, gradientOrder(state, worker, { seed, start, count }));
    if (worker.ownExamples === undefined) start += count;
  }
  return { orders, after: served.length > 0 ? advance(progress, start, plan.examples) : advanceOwn(state, batchSize) };
}

function gradientOrder(
  { plan, progress }: RunState,
  worker: WorkerState,
  { seed, start, count }: { readonly seed: number; readonly start: number; readonly count: number },
): WorkOrder {
  if (worker.ownExamples !== undefined) {
    const stream = streamSeed(plan.seed, worker.slot);
    return { kind: "gradient", examples: { kind: "own", seed: stream, position: worker.position, count }, seed };
  }
  return { kind: "gradient", examples: { kind: "slice", seed: plan.seed, epoch: progress.epoch, start, count }, seed };
}

/**
 * One order of a buffered pace, and where the run stands after it: a `size`-th of the batch, the next slice of the epoch's
 * permutation or of the worker's own stream; or local epochs. Epochs done are counted by updates, not by orders.
 */
export function makeOrder(
  state: RunState,
  worker: WorkerState,
): { readonly order: WorkOrder; readonly after: Progress } {
  const { plan, progress, version, attempt } = state;
  const seed = hashOf(plan.seed, 5, version + 1, attempt);
  const { work } = plan;
  if (work.kind === "local") return { order: localOrder(work, seed), after: progress };
  const whole = Math.ceil(work.batchSize / (bufferedPace(plan)?.size ?? 1));
  const isServed = worker.ownExamples === undefined;
  const count = isServed ? Math.min(whole, plan.examples - progress.start) : whole;
  const order = gradientOrder(state, worker, { seed, start: progress.start, count });
  if (!isServed) return { order, after: progress };
  const { epoch, start } = advance(progress, progress.start + count, plan.examples);
  return { order, after: { epoch, start, epochs: progress.epochs } };
}

/** Parts of `total` for some workers, differing by at most one; with fewer examples than workers, the first get one each. */
function split(workers: readonly WorkerState[], total: number): [string, number][] {
  const n = workers.length;
  return workers.map(({ id }, i) => [id, Math.ceil(((i + 1) * total) / n) - Math.ceil((i * total) / n)]);
}

/** Parts of `total` in proportion to speed, at least one each while there are enough; a worker not measured yet counts as the mean. */
function divideBySpeed(workers: readonly WorkerState[], total: number): [string, number][] {
  const known = workers.flatMap(({ record }) => record.speed ?? []);
  if (known.length === 0 || total < workers.length) return split(workers, total);
  const mean = known.reduce((sum, speed) => sum + speed, 0) / known.length;
  const speeds = workers.map(({ record }) => record.speed ?? mean);
  const all = speeds.reduce((sum, speed) => sum + speed, 0);
  const spare = total - workers.length;
  let reached = 0;
  let given = 0;
  return workers.map(({ id }, i) => {
    reached += speeds[i] ?? 0;
    const until = i === workers.length - 1 ? spare : Math.min(spare, Math.round((spare * reached) / all));
    const part = 1 + until - given;
    given = until;
    return [id, part];
  });
}

function advance(progress: Progress, start: number, examples: number): Progress {
  const next = start >= examples ? { epoch: progress.epoch + 1, start: 0 } : { epoch: progress.epoch, start };
  return { ...next, epochs: next.epoch + next.start / examples };
}

function advanceOwn(state: RunState, batchSize: number): Progress {
  return { ...state.progress, epochs: state.progress.epochs + batchSize / Math.max(state.workers.owned, 1) };
}
