/** The state of a fit between two steps, in a safetensors file and out again: what `resume` needs for the very same bits. */
import type { Parameters } from "@weft/nn";
import type { ModelInTraining } from "@weft/worker";
import { JobError, ModelFileError } from "../errors.ts";
import { loadModel, saveModel } from "../files/modelFile.ts";
import type { Callback, CallbackMemory, FitControl } from "./callback.ts";
import type { KeptMeans } from "./means.ts";
import { Means } from "./means.ts";
import type { PreparedFit } from "./prepare.ts";
import { flatFrom, namedParameters } from "./prepare.ts";

/** Where a fit is: what comes next. */
export interface FitPlace {
  /** Under way or to begin, counted from 1. */
  epoch: number;
  /** Batches of this epoch that are done. */
  batch: number;
  /** Steps of the whole fit that are done. */
  step: number;
  /** Over what is done of this epoch. */
  means: Means;
}

/** What may differ between two fits of one name, and must not between a fit and its going on. */
interface Settings {
  readonly seed: number;
  readonly examples: number | null;
  readonly batchSize: number;
  readonly optimizer: unknown;
}

interface StoredFit extends Settings, Pick<FitPlace, "epoch" | "batch" | "step"> {
  readonly format: 1;
  readonly learningRate: number | null;
  readonly means: KeptMeans;
  readonly callbacks: Readonly<Record<string, CallbackMemory["values"]>>;
}

/** What callbacks remember and have set. */
interface Memories {
  readonly learningRate: number | undefined;
  readonly callbacks: ReadonlyMap<string, CallbackMemory>;
}

export interface FitStateOptions {
  readonly prepared: PreparedFit;
  readonly model: ModelInTraining;
  readonly callbacks: readonly Callback[];
  readonly place: FitPlace;
}

/** Reads and writes the state of one fit. */
export class FitState {
  readonly #options: FitStateOptions;
  #frozen: Memories | undefined;

  constructor(options: FitStateOptions) {
    this.#options = options;
  }

  /**
   * From here on what callbacks remember is stored as it is now: they are about to hear of an epoch that is not whole, which an
   * undisturbed fit would not tell them.
   */
  freeze(control: FitControl): void {
    this.#frozen = this.#memories(control);
  }

  async save(path: string, control: FitControl): Promise<void> {
    const { prepared, model, place } = this.#options;
    const { learningRate, callbacks } = this.#frozen ?? this.#memories(control);
    const { epoch, batch, step, means } = place;
    const stored: StoredFit = {
      ...{ format: 1, epoch, batch, step, ...settingsOf(prepared), learningRate: learningRate ?? null },
      means: means.kept(),
      callbacks: Object.fromEntries([...callbacks].map(([key, { values }]) => [key, values])),
    };
    const extra = [...callbacks].flatMap(([key, { parameters = {} }]) =>
      Object.entries(parameters).map(([name, value]) => [`${key}/${name}`, value] as const),
    );
    await saveModel(path, {
      parameters: namedParameters(prepared.job.manifest, await model.weights()),
      optimizerState: await model.optimizerState(),
      extra: Object.fromEntries(extra),
      metadata: { job: prepared.job.document.name, fit: JSON.stringify(stored) },
    });
  }

  /**
   * Takes up what `save` wrote: model, place, callbacks and learning rate are as they were.
   *
   * @throws {JobError} when the file is of a fit with other settings
   */
  async load(path: string, control: FitControl): Promise<void> {
    const { prepared, model, callbacks, place } = this.#options;
    const { parameters, optimizerState, extra, metadata } = await loadModel(path);
    const stored = storedFit(path, metadata["fit"]);
    assertSame(path, stored, settingsOf(prepared));
    model.setWeights(await flatFrom(prepared.job.manifest, parameters));
    model.setOptimizerState(optimizerState);
    const isOver = stored.batch === prepared.batches;
    place.epoch = stored.epoch + (isOver ? 1 : 0);
    place.batch = isOver ? 0 : stored.batch;
    place.step = stored.step;
    place.means = new Means(prepared.job.document.metrics, isOver ? undefined : stored.means);
    for (const [key, callback] of keyed(callbacks)) {
      const values = stored.callbacks[key];
      if (values === undefined) continue;
      const kept = keptBy(key, extra);
      callback.recall?.({ values, ...(Object.keys(kept).length === 0 ? {} : { parameters: kept }) });
    }
    if (stored.learningRate !== null) control.setLearningRate(stored.learningRate);
  }

  #memories({ learningRate }: FitControl): Memories {
    const remembering = keyed(this.#options.callbacks).flatMap(([key, callback]) => {
      const memory = callback.memory?.();
      return memory ? [[key, memory] as const] : [];
    });
    return { learningRate, callbacks: new Map(remembering) };
  }
}

/** Named callbacks, the second of a name as `name.2`. */
function keyed(callbacks: readonly Callback[]): (readonly [string, Callback])[] {
  const counts = new Map<string, number>();
  return callbacks.flatMap((callback) => {
    const { name } = callback;
    if (name === undefined) return [];
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    return [[count === 1 ? name : `${name}.${count}`, callback] as const];
  });
}

function keptBy(key: string, extra: Readonly<Parameters>): Parameters {
  const own = Object.entries(extra).filter(([name]) => name.startsWith(`${key}/`));
  return Object.fromEntries(own.map(([name, value]) => [name.slice(key.length + 1), value]));
}

const settingsOf = ({ job, feed, batchSize, optimizer }: PreparedFit): Settings => ({
  seed: job.document.seed,
  examples: feed.size ?? null,
  batchSize,
  optimizer,
});

function assertSame(path: string, stored: Settings, now: Settings): void {
  for (const name of ["seed", "examples", "batchSize", "optimizer"] as const) {
    const [expected, got] = [stored[name], now[name]].map((value) => JSON.stringify(value));
    if (expected === got) continue;
    throw new JobError(
      `fit: ${path} was written with ${name} ${expected}, but now it is ${got}; make them the same, or begin with its ` +
        "parameters alone: initial: (await loadModel(path)).parameters",
    );
  }
}

function storedFit(path: string, text: string | undefined): StoredFit {
  const stored: unknown = text === undefined ? undefined : JSON.parse(text);
  if (typeof stored === "object" && stored !== null && "format" in stored && stored.format === 1) {
    return stored as StoredFit;
  }
  throw new ModelFileError(
    `${path}: expected a checkpoint of a fit, got a model without one; begin with its parameters: initial: (await loadModel(path)).parameters`,
  );
}
