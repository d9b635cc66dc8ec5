/** Trains a job in this process, without a coordinator: the same job file, the whole training set, one loop over one step. */
import { writeFile } from "node:fs/promises";
import type { Parameters } from "@weft/nn";
import type { ModelInTraining } from "@weft/worker";
import { createTraining } from "@weft/worker";
import { count } from "../terminal/format.ts";
import type { Output } from "../terminal/output.ts";
import { createOutput } from "../terminal/output.ts";
import type { Callback, EpochRecord, FitControl } from "../fit/callback.ts";
import { fixedRateText, learningRateOf } from "../fit/rate.ts";
import type { Stopped } from "../fit/loop.ts";
import { runLoop } from "../fit/loop.ts";
import { Means } from "../fit/means.ts";
import type { FitOptions } from "../fit/options.ts";
import { checkFitOptions } from "../fit/options.ts";
import type { PreparedFit } from "../fit/prepare.ts";
import { flatFrom, namedParameters, prepareFit } from "../fit/prepare.ts";
import { fitProgress } from "../fit/progress.ts";
import type { FitPlace } from "../fit/state.ts";
import { FitState } from "../fit/state.ts";
import { JobError } from "../errors.ts";
import type { Job } from "../job/defineJob.ts";
import { useEngine } from "./engine.ts";
import { weightsFile } from "./storedModel.ts";
import type { TrainedModel } from "./trainedModel.ts";
import { trainedModel } from "./trainedModel.ts";

/** A fitted model. */
export interface Fit extends TrainedModel {
  /** One record for each epoch, the last one shorter where the fit ended within it. */
  readonly history: readonly EpochRecord[];
  /** By path, such as `dense.kernel`. */
  readonly parameters: Parameters;
  readonly stopped: Stopped;
}

/**
 * A data-parallel job takes the batches, seeds and steps of `train(job, { workers: 1 })` and ends with the same bits. A
 * federated job is trained centrally: its local optimiser and batch size over all examples, without rounds or server step.
 *
 * @throws {JobError} when the job does not fit its data, or the loss stops being a number
 */
export async function fit(job: Job, options: FitOptions = {}): Promise<Fit> {
  const output = options.progress === false ? undefined : createOutput({ json: false });
  return fitWithOutput(job, options, output);
}

/** `fit` for callers with an output of their own, the command above all. */
export async function fitWithOutput(job: Job, options: FitOptions, output: Output | undefined): Promise<Fit> {
  checkFitOptions(options);
  useEngine({ threads: "auto" });
  if (options.resume !== undefined && options.initial !== undefined) {
    throw new JobError("fit: initial and resume both say what to begin with; give one of them");
  }
  const prepared = await prepareFit(job, options);
  const { trainer, optimizer, feed } = prepared;
  const { manifest, document } = prepared.job;
  const examples = feed.size === undefined ? "a stream of" : count(feed.size);
  output?.line(`${job.definition.name}  ${count(manifest.size)} parameters · ${examples} examples`);
  const model = createTraining(prepared.job)(prepared.weights, optimizer);
  let asked: Stopped | undefined;
  const callbacks = [...(output ? [fitProgress(output)] : []), ...(options.callbacks ?? [])];
  const place: FitPlace = { epoch: 1, batch: 0, step: 0, means: new Means(document.metrics) };
  const state = new FitState({ prepared, model, callbacks, place });
  const control = createControl(prepared, { model, state }, (detail) => (asked ??= { reason: "callback", detail }));
  const { signal } = options;
  await forEach(callbacks, (callback) => callback.onStart?.(control));
  if (options.resume !== undefined) await state.load(options.resume, control);
  const { history, stopped } = await runLoop({
    ...{ prepared, model, control, callbacks, place },
    // Whoever says how long to train means it.
    target: options.epochs === undefined && options.steps === undefined ? job.definition.stop.target : undefined,
    ended: () => asked ?? (signal?.aborted ? { reason: "aborted", detail: String(signal.reason) } : undefined),
    onPartialEpoch: () => state.freeze(control),
  });
  await forEach(callbacks, (callback) => callback.onEnd?.(control));
  const weights = await model.weights();
  const parameters = namedParameters(manifest, weights);
  return { history, parameters, stopped, ...trainedModel({ trainer, test: prepared.test }, weights) };
}

async function forEach(callbacks: readonly Callback[], hook: (callback: Callback) => unknown): Promise<void> {
  for (const callback of callbacks) await hook(callback);
}

function createControl(
  { job, trainer, limits, optimizer }: PreparedFit,
  { model, state }: { readonly model: ModelInTraining; readonly state: FitState },
  stop: (reason: string) => void,
): FitControl {
  const known = (limit: number) => (limit === Infinity ? undefined : limit);
  const rate = learningRateOf(optimizer);
  let learningRate = rate.kind === "number" ? rate.initial : undefined;
  const control: FitControl = {
    totalSteps: known(limits.steps),
    totalEpochs: known(limits.epochs),
    get learningRate() {
      return learningRate;
    },
    setLearningRate(changed) {
      if (learningRate === undefined) throw new JobError(`the learning rate ${fixedRateText}`);
      learningRate = changed;
      model.setLearningRate(changed);
    },
    stop,
    parameters: async () => namedParameters(job.manifest, await model.weights()),
    restore: async (parameters) => {
      model.setWeights(await flatFrom(job.manifest, parameters));
    },
    save: async (path, { weightsOnly = false } = {}) =>
      weightsOnly ? writeFile(path, weightsFile(trainer, await model.weights())) : state.save(path, control),
  };
  return control;
}
