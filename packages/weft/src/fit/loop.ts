/** The loop of `fit`: epochs of shuffled batches through one compiled step, with callbacks told and heard in between. */
import { orderSeed } from "@weft/coordinator";
import type { Augmentation, Dataset } from "@weft/data";
import { assembleBatch, augmentBatch, permutation } from "@weft/data";
import type { ModelInTraining } from "@weft/worker";
import { programFor } from "@weft/worker";
import { JobError } from "../errors.ts";
import type { StopRule } from "../job/defineJob.ts";
import type { BatchRecord, Callback, EpochRecord, FitControl } from "./callback.ts";
import { Means } from "./means.ts";
import type { PreparedFit } from "./prepare.ts";
import { learningRateOf, scheduledRate } from "./rate.ts";

/** Why a fit ended, and the reason in a sentence. */
export interface Stopped {
  readonly reason: "epochs" | "steps" | "target" | "callback" | "aborted";
  readonly detail: string;
}

export interface LoopContext {
  readonly prepared: PreparedFit;
  readonly model: ModelInTraining;
  readonly control: FitControl;
  readonly callbacks: readonly Callback[];
  readonly augmentations: readonly Augmentation[];
  readonly target: StopRule["target"];
  /** What a callback or a signal has asked for; looked at after every batch and epoch. */
  readonly ended: () => Stopped | undefined;
}

/** Trains until something ends it. The order of examples and every seed are those of a run with one worker. */
export async function runLoop(context: LoopContext): Promise<{ history: EpochRecord[]; stopped: Stopped }> {
  const { prepared, callbacks, control } = context;
  const history: EpochRecord[] = [];
  // One for all epochs: many of them may pass within the time between two pauses.
  const pause = createPause();
  for (let step = 0, epoch = 1; ; epoch++) {
    const startedAt = performance.now();
    const trained = await trainEpoch(context, { epoch, step, pause });
    step = trained.step;
    const { loss = NaN, ...metrics } = trained.means.figures();
    const validation = prepared.validation && (await evaluateOn(context, prepared.validation));
    const learningRate = control.learningRate ?? scheduled(prepared, step);
    const record: EpochRecord = {
      epoch,
      step,
      loss,
      metrics,
      ...(validation ? { validation } : {}),
      ...(learningRate === undefined ? {} : { learningRate }),
      seconds: (performance.now() - startedAt) / 1000,
    };
    history.push(record);
    for (const callback of callbacks) await callback.onEpoch?.(record, control);
    const stopped = trained.stopped ?? context.ended() ?? (await targetAfterEpoch(context));
    if (stopped) return { history, stopped };
  }
}

/** One pass over the training set, or less where something ends the fit. */
async function trainEpoch(
  context: LoopContext,
  { epoch, step: before, pause }: { epoch: number; step: number; pause: () => Promise<void> },
) {
  const { prepared, callbacks, control } = context;
  const { train, batches, batchSize, job } = prepared;
  const order = permutation(train.size, job.document.seed, epoch - 1);
  const means = new Means(job.document.metrics);
  for (let batch = 1; ; batch++) {
    const step = before + batch;
    const rows = order.subarray((batch - 1) * batchSize, batch * batchSize);
    const figures = await trainBatch(context, { rows, epoch, step });
    means.add(figures);
    const record: BatchRecord = { epoch, batch, batches, step, ...figures, means: means.figures() };
    for (const callback of callbacks) await callback.onBatch?.(record, control);
    await pause();
    const stopped = context.ended() ?? (await targetAfterStep(context, step)) ?? limitReached(prepared, step);
    if (stopped || batch === batches) return { means, step, stopped };
  }
}

async function trainBatch(context: LoopContext, place: { rows: Uint32Array; epoch: number; step: number }) {
  const { prepared, model, augmentations } = context;
  const { train, job } = prepared;
  const { rows, epoch, step } = place;
  const { seed, metrics: names } = job.document;
  const plain = assembleBatch(train, rows, programFor(job, rows.length).batch);
  const batch =
    augmentations.length === 0
      ? plain
      : augmentBatch(plain, augmentations, { contract: train.contract, rows, seed, epoch });
  const [loss = NaN, ...sums] = await model.step(batch, { seed: orderSeed(seed, step, 0), step: 0 });
  if (!Number.isFinite(loss)) {
    throw new JobError(`the loss became ${loss} at step ${step}; lower the learning rate or check the data`);
  }
  const metrics = Object.fromEntries(names.map((name, i) => [name, (sums[i] ?? NaN) / rows.length]));
  return { examples: rows.length, loss, metrics };
}

function scheduled({ optimizer }: PreparedFit, step: number): number | undefined {
  const rate = learningRateOf(optimizer);
  return rate.kind === "schedule" ? scheduledRate(rate, step) : undefined;
}

function limitReached({ totalSteps, batches }: PreparedFit, step: number): Stopped | undefined {
  if (step < totalSteps) return undefined;
  const epochs = step / batches;
  return Number.isInteger(epochs)
    ? { reason: "epochs", detail: `${epochs} epochs are done` }
    : { reason: "steps", detail: `${step} steps are done` };
}

/** A target with `every` is checked after so many steps, as in rounds of gradients; without, after each epoch. */
async function targetAfterStep(context: LoopContext, step: number): Promise<Stopped | undefined> {
  const { target, prepared } = context;
  const bySteps = prepared.job.document.round.work.kind === "gradient" && target?.every !== undefined;
  return bySteps && step % (target.every ?? 1) === 0 ? targetReached(context) : undefined;
}

async function targetAfterEpoch(context: LoopContext): Promise<Stopped | undefined> {
  return context.target ? targetReached(context) : undefined;
}

async function targetReached(context: LoopContext): Promise<Stopped | undefined> {
  const { target, prepared } = context;
  if (!target) return undefined;
  const { metric, value } = target;
  const reached = (await evaluateOn(context, prepared.test))[metric] ?? NaN;
  const isEnough = metric === "loss" ? reached <= value : reached >= value;
  return isEnough ? { reason: "target", detail: `${metric} on the test set is ${reached}` } : undefined;
}

async function evaluateOn({ prepared, model }: LoopContext, dataset: Dataset): Promise<Record<string, number>> {
  return prepared.trainer.evaluate(await model.weights(), dataset);
}

/** Longest that signals and timers wait for a step to end, give or take one step. */
const eventsEveryMs = 50;

/** Lets timers, sockets and signals have their turn now and then: steps are synchronous. */
function createPause(): () => Promise<void> {
  let pausedAt = performance.now();
  return async () => {
    if (performance.now() - pausedAt < eventsEveryMs) return;
    await new Promise((resolve) => setImmediate(resolve));
    pausedAt = performance.now();
  };
}
