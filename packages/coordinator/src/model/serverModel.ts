/** The model as the coordinator holds it: one flat vector and the server optimiser's state, stepped in runs of blocks. */
import { isResident, type TensorData } from "@weft/tensor";
import { blockElements } from "@weft/vector";
import { CoordinatorOptionsError } from "../errors.ts";
import { isPlain, type ModelLayout, plainLayout } from "./layout.ts";
import { compileServerStep, type ServerStep, type StepValue } from "./serverStep.ts";

/** Writes the combined update of a block. */
export type UpdateSource = (block: number, out: Float32Array) => void;

/** Told of the update of a run of elements, in order; it stays as it is until the promise resolves. */
export type UpdateSink = (update: Float32Array) => Promise<void> | undefined;

/** The optimiser's state by part; a part is a vector over all parameters, or a scalar. */
export type OptimizerState = readonly TensorData[];

/**
 * Elements stepped at once. A model that fits in one run keeps parameters and state in the backend's memory from step to
 * step; of larger ones only as much is there at a time, so that their size is not held twice.
 */
const runElements = 16 * blockElements;

export interface StepOptions {
  readonly sink?: UpdateSink | undefined;
  /** Part of all workers, or of their examples, that the update stands for: what is remembered of all moves by it. */
  readonly share?: number;
}

interface ModelRun {
  readonly start: number;
  readonly end: number;
  /** Where those of its elements end that the optimiser steps. */
  readonly stepped: number;
  /** Undefined for a run of none. */
  step: ServerStep | undefined;
  /** The parameters as the last step left them in the backend's memory, when they stay there. */
  parameters: StepValue | undefined;
  state: readonly StepValue[];
}

export class ServerModel {
  readonly size: number;
  readonly #runs: readonly ModelRun[];
  /** Two, so that one can be written out while the next is filled. */
  readonly #updates: readonly [Float32Array, Float32Array];
  readonly #layout: ModelLayout;
  /** H of FedDyn, over the elements that the optimiser steps: what the mean of all changes has added up to. */
  #memory: Float32Array | undefined;
  #weights: Float32Array;
  #spec: unknown;

  private constructor(spec: unknown, runs: readonly ModelRun[], { weights, layout }: Start) {
    this.#spec = spec;
    this.size = weights.length;
    this.#runs = runs;
    this.#layout = layout;
    this.#memory = layout.remembers ? new Float32Array(layout.stepped) : undefined;
    this.#weights = weights;
    const [first, second] = runs.map(({ start, end }) => new Float32Array(end - start));
    const none = new Float32Array();
    this.#updates = [first ?? none, second ?? none];
  }

  /** @throws {OptimizerError} for a specification that names no optimiser */
  static async create(
    spec: unknown,
    weights: Float32Array,
    layout: ModelLayout = plainLayout(weights.length),
  ): Promise<ServerModel> {
    const runs: ModelRun[] = [];
    const stepFor = compileSteps(spec, weights.length);
    for (let start = 0; start < weights.length; start += runElements) {
      const end = Math.min(start + runElements, weights.length);
      const stepped = Math.max(start, Math.min(end, layout.stepped));
      const step = stepFor(stepped - start);
      runs.push({ start, end, stepped, step, parameters: undefined, state: (await step?.initialize()) ?? [] });
    }
    return new ServerModel(spec, runs, { weights, layout });
  }

  /**
   * Steps with another learning rate from now on; the optimiser's state stays.
   *
   * @throws {CoordinatorOptionsError} for an optimiser whose rate is not one number
   */
  setLearningRate(rate: number): void {
    const spec = withRate(this.#spec, rate);
    if (JSON.stringify(spec) === JSON.stringify(this.#spec)) return;
    const [weights, state] = [this.#weights, this.state()];
    const old = new Set(this.#runs.map(({ step }) => step));
    const stepFor = compileSteps(spec, weights.length);
    for (const run of this.#runs) run.step = stepFor(run.stepped - run.start);
    for (const step of old) step?.dispose();
    this.#spec = spec;
    this.restore(weights, state);
  }

  /** The vector of the present version. Never changed in place: a step makes another, so that it can be sent meanwhile. */
  get weights(): Float32Array {
    return this.#weights;
  }

  /** A copy. */
  state(): OptimizerState {
    const types = this.#runs[0]?.step?.stateTypes ?? [];
    const parts = types.map(({ shape }, part) => {
      const values = this.#runs.filter(({ step }) => step !== undefined).map(({ state }) => read(state[part]));
      const [first] = values;
      if (first === undefined || shape.length === 0 || values.length === 1) return first ?? new Float32Array();
      const whole = new Float32Array(this.#layout.stepped);
      for (const [i, { start }] of this.#runs.entries()) whole.set(values[i] ?? [], start);
      return whole;
    });
    return this.#memory === undefined ? parts : [...parts, this.#memory.slice()];
  }

  /** Puts a stored version in place. */
  restore(weights: Float32Array, stored: OptimizerState): void {
    if (weights.length !== this.size) {
      throw new CoordinatorOptionsError(`a stored version of ${weights.length} elements, the job has ${this.size}`);
    }
    const { stepped } = this.#layout;
    const [state, [memory]] = this.#memory === undefined ? [stored, []] : [stored.slice(0, -1), stored.slice(-1)];
    for (const run of this.#runs) {
      run.parameters = undefined;
      if (run.step === undefined) continue;
      const types = run.step.stateTypes;
      const fits = types.every(({ shape }, part) => state[part]?.length === (shape.length === 0 ? 1 : stepped));
      if (!fits || state.length !== types.length) throw unfit();
      run.state = types.map(({ shape }, part) => {
        const values = state[part] ?? new Float32Array();
        return shape.length === 0 ? values : values.slice(run.start, run.stepped);
      });
    }
    if (this.#memory !== undefined) {
      if (!(memory instanceof Float32Array) || memory.length !== stepped) throw unfit();
      this.#memory = memory.slice();
    }
    this.#weights = weights;
  }

  /** Steps to the next version. */
  async step(source: UpdateSource, { sink, share = 1 }: StepOptions = {}): Promise<void> {
    const [only, another] = this.#runs;
    const isResidentModel = only !== undefined && another === undefined && isPlain(this.#layout, this.size);
    const next = isResidentModel ? undefined : new Float32Array(this.size);
    let result: TensorData | undefined;
    const kept: (Promise<void> | undefined)[] = [];
    for (const [index, run] of this.#runs.entries()) {
      const { start, end } = run;
      await kept[index - 2];
      const update = (this.#updates[index % 2] ?? new Float32Array()).subarray(0, end - start);
      for (let at = start; at < end; at += blockElements) {
        source(at / blockElements, update.subarray(at - start, Math.min(at + blockElements, end) - start));
      }
      kept.push(sink?.(update));
      result = await this.#stepRun(run, this.#gradientOf(run, update, share));
      if (next === undefined) continue;
      if (result !== undefined) next.set(result, start);
      this.#moveOthers(run, update, { next, share });
    }
    for (const written of kept) await written;
    const weights = next ?? result;
    if (!(weights instanceof Float32Array)) throw new Error("an optimiser gave parameters of another type than f32");
    this.#weights = weights;
  }

  /** The elements that the optimiser steps. */
  async #stepRun(run: ModelRun, gradient: Float32Array): Promise<TensorData | undefined> {
    if (run.step === undefined) return undefined;
    const before = run.parameters ?? this.#weights.subarray(run.start, run.stepped);
    const { parameters, state } = await run.step.run(before, gradient, run.state);
    run.parameters = isResident(parameters) && isPlain(this.#layout, this.size) ? parameters : undefined;
    run.state = state;
    return read(parameters);
  }

  /** FedDyn's step is to the mean of the local models less H, which grows by the part of all workers that took this one. */
  #gradientOf({ start, stepped }: ModelRun, update: Float32Array, share: number): Float32Array {
    const gradient = update.subarray(0, stepped - start);
    const memory = this.#memory?.subarray(start, stepped);
    if (memory === undefined) return gradient;
    return gradient.map((change, i) => {
      const grown = Math.fround(memory[i]! + Math.fround(share * change));
      memory[i] = grown;
      return change + grown;
    });
  }

  /** Statistics become the mean of the workers'; control variates move by the part of all workers that took this step. */
  #moveOthers({ start, end }: ModelRun, update: Float32Array, how: { next: Float32Array; share: number }): void {
    const { averaged, stepped } = this.#layout;
    const move = (from: number, to: number, factor: number): void => {
      for (let i = Math.max(from, start); i < Math.min(to, end); i++) {
        how.next[i] = this.#weights[i]! - Math.fround(factor * update[i - start]!);
      }
    };
    for (const range of averaged) move(range.start, range.end, 1);
    move(stepped, end, how.share);
  }

  dispose(): void {
    for (const { step } of this.#runs) step?.dispose();
  }
}

interface Start {
  readonly weights: Float32Array;
  readonly layout: ModelLayout;
}

const unfit = () => new CoordinatorOptionsError("the stored optimiser state does not fit the job's server optimiser");

function read(value: StepValue | undefined): TensorData {
  if (value === undefined) return new Float32Array();
  return isResident(value) ? value.read() : value;
}

/** One step for each size of a run. */
function compileSteps(spec: unknown, size: number): (elements: number) => ServerStep | undefined {
  const steps = new Map<number, ServerStep>();
  return (elements) => {
    if (elements === 0) return undefined;
    const step = steps.get(elements) ?? compileServerStep(spec, elements, size <= runElements);
    steps.set(elements, step);
    return step;
  };
}

/** @throws {CoordinatorOptionsError} for an optimiser whose rate is not one number */
export function withRate(spec: unknown, rate: number): unknown {
  const isPlain = typeof spec === "object" && spec !== null && "learningRate" in spec;
  if (isPlain && typeof spec.learningRate === "number") return { ...spec, learningRate: rate };
  throw new CoordinatorOptionsError(
    "the server optimiser has no learning rate of its own to change: it follows a schedule, or is made of others",
  );
}
