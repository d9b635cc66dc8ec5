/** The model as the coordinator holds it: one flat vector and the server optimiser's state, stepped block by block. */
import type { TensorData } from "@weft/tensor";
import { blockCount, blockElements, blockRange } from "@weft/vector";
import { CoordinatorOptionsError } from "../errors.ts";
import { compileServerStep, type ServerStep } from "./serverStep.ts";

/** Writes the combined update of a block. */
export type UpdateSource = (block: number, out: Float32Array) => void;

/** Told of every block's update; may keep it, but not change it. The next block waits for what it returns. */
export type UpdateSink = (block: number, update: Float32Array) => Promise<void> | undefined;

/** Vectors of the optimiser are whole; a scalar (shape []) is one value for all blocks. */
export type OptimizerState = readonly TensorData[];

export class ServerModel {
  readonly size: number;
  readonly #steps: ReadonlyMap<number, ServerStep>;
  #weights: Float32Array;
  #state: OptimizerState;

  private constructor(steps: ReadonlyMap<number, ServerStep>, weights: Float32Array, state: OptimizerState) {
    this.size = weights.length;
    this.#steps = steps;
    this.#weights = weights;
    this.#state = state;
  }

  /** @throws {OptimizerError} for a specification that names no optimiser */
  static async create(spec: unknown, weights: Float32Array): Promise<ServerModel> {
    const steps = new Map<number, ServerStep>();
    for (let block = 0; block < blockCount(weights.length); block++) {
      const { start, end } = blockRange(weights.length, block);
      if (!steps.has(end - start)) steps.set(end - start, compileServerStep(spec, end - start));
    }
    const model = new ServerModel(steps, weights, []);
    model.#state = await model.#initialState();
    return model;
  }

  /** The vector of the present version. Never changed in place: a step makes another, so that it can be sent meanwhile. */
  get weights(): Float32Array {
    return this.#weights;
  }

  /** Changed in place by the next step. */
  get state(): OptimizerState {
    return this.#state;
  }

  /** Puts a stored version in place. */
  restore(weights: Float32Array, state: OptimizerState): void {
    const fits =
      weights.length === this.size &&
      state.length === this.#state.length &&
      state.every((values, i) => sameKind(values, this.#state[i]));
    if (!fits) {
      throw new CoordinatorOptionsError(
        "the stored version or optimiser state does not fit the job; was a file of another run put in its place?",
      );
    }
    this.#weights = weights;
    this.#state = state;
  }

  /** Steps to the next version. */
  async step(source: UpdateSource, sink?: UpdateSink): Promise<void> {
    const next = new Float32Array(this.size);
    const scalars = new Map<number, TensorData>();
    for (let block = 0; block < blockCount(this.size); block++) {
      const { start, end } = blockRange(this.size, block);
      const update = new Float32Array(end - start);
      source(block, update);
      const kept = sink?.(block, update);
      const step = this.#stepFor(end - start);
      const before = this.#state.map((values, i) => (isScalar(step, i) ? values : values.subarray(start, end)));
      const { parameters, state } = await step.run(this.#weights.subarray(start, end), update, before);
      next.set(parameters, start);
      state.forEach((values, i) => {
        if (isScalar(step, i)) scalars.set(i, values);
        else this.#state[i]?.set(values, start);
      });
      await kept;
    }
    this.#weights = next;
    this.#state = this.#state.map((values, i) => scalars.get(i) ?? values);
  }

  dispose(): void {
    for (const step of this.#steps.values()) step.dispose();
  }

  async #initialState(): Promise<OptimizerState> {
    const whole: TensorData[] = [];
    for (let block = 0; block < blockCount(this.size); block++) {
      const { start, end } = blockRange(this.size, block);
      const step = this.#stepFor(end - start);
      for (const [i, values] of (await step.initialize()).entries()) {
        if (isScalar(step, i)) whole[i] = values;
        else {
          if (!(values instanceof Float32Array)) throw new Error("an optimiser keeps vectors of another type than f32");
          const vector = (whole[i] ??= new Float32Array(this.size));
          vector.set(values, start);
        }
      }
    }
    return whole;
  }

  #stepFor(elements: number): ServerStep {
    const step = this.#steps.get(elements);
    if (step === undefined) throw new Error(`no step for ${elements} of ${blockElements} elements`);
    return step;
  }
}

const isScalar = (step: ServerStep, index: number) => step.stateTypes[index]?.shape.length === 0;

const sameKind = (a: TensorData, b: TensorData | undefined) =>
  a.constructor === b?.constructor && a.length === b.length;
