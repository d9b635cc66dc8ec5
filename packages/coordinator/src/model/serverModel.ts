/** The model as the coordinator holds it: one flat vector and the server optimiser's state, stepped in runs of blocks. */
import { isResident, type TensorData } from "@weft/tensor";
import { blockElements } from "@weft/vector";
import { CoordinatorOptionsError } from "../errors.ts";
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

interface ModelRun {
  readonly start: number;
  readonly end: number;
  step: ServerStep;
  /** The parameters as the last step left them in the backend's memory, when they stay there. */
  parameters: StepValue | undefined;
  state: readonly StepValue[];
}

export class ServerModel {
  readonly size: number;
  readonly #runs: readonly ModelRun[];
  /** Two, so that one can be written out while the next is filled. */
  readonly #updates: readonly [Float32Array, Float32Array];
  #weights: Float32Array;
  #spec: unknown;

  private constructor(spec: unknown, runs: readonly ModelRun[], weights: Float32Array) {
    this.#spec = spec;
    this.size = weights.length;
    this.#runs = runs;
    this.#weights = weights;
    const [first, second] = runs.map(({ start, end }) => new Float32Array(end - start));
    const none = new Float32Array();
    this.#updates = [first ?? none, second ?? none];
  }

  /** @throws {OptimizerError} for a specification that names no optimiser */
  static async create(spec: unknown, weights: Float32Array): Promise<ServerModel> {
    const runs: ModelRun[] = [];
    const stepFor = compileSteps(spec, weights.length);
    for (let start = 0; start < weights.length; start += runElements) {
      const end = Math.min(start + runElements, weights.length);
      const step = stepFor(end - start);
      runs.push({ start, end, step, parameters: undefined, state: await step.initialize() });
    }
    return new ServerModel(spec, runs, weights);
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
    for (const run of this.#runs) run.step = stepFor(run.end - run.start);
    for (const step of old) step.dispose();
    this.#spec = spec;
    this.restore(weights, state);
  }

  /** The vector of the present version. Never changed in place: a step makes another, so that it can be sent meanwhile. */
  get weights(): Float32Array {
    return this.#weights;
  }

  /** A copy. */
  state(): OptimizerState {
    const types = this.#runs[0]?.step.stateTypes ?? [];
    return types.map(({ shape }, part) => {
      const values = this.#runs.map(({ state }) => read(state[part]));
      const [first] = values;
      if (first === undefined || shape.length === 0 || values.length === 1) return first ?? new Float32Array();
      const whole = new Float32Array(this.size);
      for (const [i, { start }] of this.#runs.entries()) whole.set(values[i] ?? [], start);
      return whole;
    });
  }

  /** Puts a stored version in place. */
  restore(weights: Float32Array, state: OptimizerState): void {
    if (weights.length !== this.size) {
      throw new CoordinatorOptionsError(`a stored version of ${weights.length} elements, the job has ${this.size}`);
    }
    for (const run of this.#runs) {
      const types = run.step.stateTypes;
      const fits = types.every(({ shape }, part) => state[part]?.length === (shape.length === 0 ? 1 : this.size));
      if (!fits || state.length !== types.length) {
        throw new CoordinatorOptionsError("the stored optimiser state does not fit the job's server optimiser");
      }
      run.parameters = undefined;
      run.state = types.map(({ shape }, part) => {
        const values = state[part] ?? new Float32Array();
        return shape.length === 0 ? values : values.slice(run.start, run.end);
      });
    }
    this.#weights = weights;
  }

  /** Steps to the next version. */
  async step(source: UpdateSource, sink?: UpdateSink): Promise<void> {
    const [only, another] = this.#runs;
    const next = only !== undefined && another === undefined ? undefined : new Float32Array(this.size);
    let stepped: TensorData | undefined;
    const kept: (Promise<void> | undefined)[] = [];
    for (const [index, run] of this.#runs.entries()) {
      const { start, end } = run;
      await kept[index - 2];
      const update = (this.#updates[index % 2] ?? new Float32Array()).subarray(0, end - start);
      for (let at = start; at < end; at += blockElements) {
        source(at / blockElements, update.subarray(at - start, Math.min(at + blockElements, end) - start));
      }
      kept.push(sink?.(update));
      const before = run.parameters ?? this.#weights.subarray(start, end);
      const { parameters, state } = await run.step.run(before, update, run.state);
      run.parameters = isResident(parameters) ? parameters : undefined;
      run.state = state;
      stepped = read(parameters);
      next?.set(stepped, start);
    }
    for (const written of kept) await written;
    const weights = next ?? stepped;
    if (!(weights instanceof Float32Array)) throw new Error("an optimiser gave parameters of another type than f32");
    this.#weights = weights;
  }

  dispose(): void {
    for (const { step } of this.#runs) step.dispose();
  }
}

function read(value: StepValue | undefined): TensorData {
  if (value === undefined) return new Float32Array();
  return isResident(value) ? value.read() : value;
}

/** One step for each size of a run. */
function compileSteps(spec: unknown, size: number): (elements: number) => ServerStep {
  const steps = new Map<number, ServerStep>();
  return (elements) => {
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
