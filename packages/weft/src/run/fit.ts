/** Trains a job in this process, without a coordinator: the same job file, the whole training set, one loop over one step. */
import { writeFile } from "node:fs/promises";
import type { Parameters } from "@weft/nn";
import { createTraining } from "@weft/worker";
import { count } from "../command/format.ts";
import type { Output } from "../command/output.ts";
import { createOutput } from "../command/output.ts";
import type { Callback, EpochRecord, FitControl } from "../fit/callback.ts";
import { fixedRateText, learningRateOf } from "../fit/rate.ts";
import type { Stopped } from "../fit/loop.ts";
import { runLoop } from "../fit/loop.ts";
import type { FitOptions } from "../fit/options.ts";
import type { PreparedFit } from "../fit/prepare.ts";
import { flatFrom, namedParameters, prepareFit } from "../fit/prepare.ts";
import { fitProgress } from "../fit/progress.ts";
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
  useEngine({ threads: "auto" });
  const prepared = await prepareFit(job, options);
  const { trainer, optimizer, train } = prepared;
  const { manifest } = prepared.job;
  output?.line(`${job.definition.name}  ${count(manifest.size)} parameters · ${count(train.size)} examples`);
  const model = createTraining(prepared.job)(prepared.weights, optimizer);
  let asked: Stopped | undefined;
  const control = createControl(prepared, model, (detail) => (asked ??= { reason: "callback", detail }));
  const { signal, augment = [] } = options;
  const callbacks = [...(output ? [fitProgress(output)] : []), ...(options.callbacks ?? [])];
  await forEach(callbacks, (callback) => callback.onStart?.(control));
  const { history, stopped } = await runLoop({
    prepared,
    model,
    control,
    callbacks,
    augmentations: typeof augment === "function" ? [augment] : augment,
    // Whoever says how long to train means it.
    target: options.epochs === undefined && options.steps === undefined ? job.definition.stop.target : undefined,
    ended: () => asked ?? (signal?.aborted ? { reason: "aborted", detail: String(signal.reason) } : undefined),
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
  { job, trainer, totalSteps, batches, optimizer }: PreparedFit,
  model: ReturnType<ReturnType<typeof createTraining>>,
  stop: (reason: string) => void,
): FitControl {
  const isLimited = totalSteps !== Infinity;
  const rate = learningRateOf(optimizer);
  let learningRate = rate.kind === "number" ? rate.initial : undefined;
  return {
    totalSteps: isLimited ? totalSteps : undefined,
    totalEpochs: isLimited ? Math.ceil(totalSteps / batches) : undefined,
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
    save: async (path) => writeFile(path, weightsFile(trainer, await model.weights())),
  };
}
