/** The loop of `fit`: epochs of batches through one compiled step, with callbacks told and heard in between. */
import { orderSeed } from "@weft/coordinator";
import type { Dataset } from "@weft/data";
import type { ModelInTraining } from "@weft/worker";
import { JobError } from "../errors.ts";
import type { StopRule } from "../job/defineJob.ts";
import type { BatchRecord, Callback, EpochRecord, FitControl } from "./callback.ts";
import type { FedBatch } from "./feed.ts";
import { Means } from "./means.ts";
import type { PreparedFit } from "./prepare.ts";
import { learningRateOf, scheduledRate } from "./rate.ts";
import type { FitPlace } from "./state.ts";

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
  /** Moves on as the fit does. */
  readonly place: FitPlace;
  readonly target: StopRule["target"];
  /** What a callback or a signal has asked for; looked at after every batch and epoch. */
  readonly ended: () => Stopped | undefined;
  /** Before callbacks hear of an epoch that ended early. */
  readonly onPartialEpoch: () => void;
}

/** Trains until something ends it. The order of examples and every seed are those of a run with one worker. */
export async function runLoop(context: LoopContext): Promise<{ history: EpochRecord[]; stopped: Stopped }> {
  const { prepared, callbacks, control, place } = context;
  const history: EpochRecord[] = [];
  // One for all epochs: many of them may pass within the time between two pauses.
  const pause = createPause(prepared.feed.readsAhead ? 0 : eventsEveryMs);
  let stopped = limitReached(context);
  while (!stopped) {
    const startedAt = performance.now();
    const { epoch, means } = place;
    const trained = await trainEpoch(context, pause);
    if (trained.isWhole) {
      Object.assign(place, { epoch: epoch + 1, batch: 0, means: new Means(prepared.job.document.metrics) });
    } else context.onPartialEpoch();
    const { loss = NaN, ...metrics } = means.figures();
    const validation = prepared.validation && (await evaluateOn(context, prepared.validation));
    const learningRate = control.learningRate ?? scheduled(prepared, place.step);
    const record: EpochRecord = {
      epoch,
      step: place.step,
      loss,
      metrics,
      ...(validation ? { validation } : {}),
      ...(learningRate === undefined ? {} : { learningRate }),
      seconds: (performance.now() - startedAt) / 1000,
    };
    history.push(record);
    for (const callback of callbacks) await callback.onEpoch?.(record, control);
    for (const callback of callbacks) await callback.afterEpoch?.(record, control);
    stopped = trained.stopped ?? context.ended() ?? (await targetAfterEpoch(context)) ?? limitReached(context);
  }
  return { history, stopped };
}

/** What is left of an epoch, or less where something ends the fit. */
async function trainEpoch(
  context: LoopContext,
  pause: () => Promise<void>,
): Promise<{ isWhole: boolean; stopped?: Stopped }> {
  const { prepared, callbacks, control, place } = context;
  const { batches, feed } = prepared;
  const { epoch, means } = place;
  for await (const fed of feed.batches(epoch, place.batch)) {
    const step = place.step + 1;
    const figures = await trainBatch(context, fed, step);
    place.step = step;
    place.batch++;
    means.add(figures);
    const record: BatchRecord = { epoch, batch: place.batch, batches, step, ...figures, means: means.figures() };
    for (const callback of callbacks) await callback.onBatch?.(record, control);
    await pause();
    const stopped = context.ended() ?? (await targetAfterStep(context, step)) ?? limitReached(context);
    if (stopped) return { isWhole: place.batch === batches, stopped };
  }
  return { isWhole: true };
}

async function trainBatch({ prepared, model }: LoopContext, { batch, examples }: FedBatch, step: number) {
  const { seed, metrics: names } = prepared.job.document;
  const [loss = NaN, ...sums] = await model.step(batch, { seed: orderSeed(seed, step, 0), step: 0 });
  if (!Number.isFinite(loss)) {
    throw new JobError(`the loss became ${loss} at step ${step}; lower the learning rate or check the data`);
  }
  const metrics = Object.fromEntries(names.map((name, i) => [name, (sums[i] ?? NaN) / examples]));
  return { examples, loss, metrics };
}

function scheduled({ optimizer }: PreparedFit, step: number): number | undefined {
  const rate = learningRateOf(optimizer);
  return rate.kind === "schedule" ? scheduledRate(rate, step) : undefined;
}

function limitReached({ prepared, place }: LoopContext): Stopped | undefined {
  const { limits, batches } = prepared;
  const { step, epoch } = place;
  if (epoch > limits.epochs) return { reason: "epochs", detail: `${limits.epochs} epochs are done` };
  if (step < limits.steps) return undefined;
  const epochs = step / (batches ?? NaN);
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
function createPause(everyMs: number): () => Promise<void> {
  let pausedAt = performance.now();
  return async () => {
    if (performance.now() - pausedAt < everyMs) return;
    await new Promise((resolve) => setImmediate(resolve));
    pausedAt = performance.now();
  };
}
