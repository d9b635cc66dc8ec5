/** The model as the coordinator holds it: one flat vector and the server optimiser's state, stepped in runs of blocks. */
import { allocate, isResident, type TensorData, type TensorType } from "@weft/tensor";
import { loopTurns } from "@weft/transport";
import { blockElements } from "@weft/vector";
import { CoordinatorOptionsError } from "../errors.ts";
import { type ElementRange, isPlain, type ModelLayout, plainLayout } from "./layout.ts";
import { copyInTurns } from "./copyInTurns.ts";
import { letGo } from "./letGo.ts";
import type { ModelMemory } from "./modelMemory.ts";
import { compileServerStep, type ServerStep, type StepValue } from "./serverStep.ts";

/** Writes the combined update of a block, at once or when its promise resolves. */
export type UpdateSource = (block: number, out: Float32Array) => Promise<void> | void;

/** Told of the update of a run of elements, in order; it stays as it is until the promise resolves. */
export type UpdateSink = (update: Float32Array) => Promise<void> | undefined;

/** The optimiser's state by part; a part is a vector over all parameters, or a scalar. */
export type OptimizerState = readonly TensorData[];

/**
 * A model no larger than this is stepped at once, which takes a millisecond, and stays, with its state, in the backend's memory from step
 * to step.
 */
const residentElements = 4 * blockElements;
/** Elements of larger ones stepped at once, so that their size is not held twice, and others have their turn soon. */
const runElements = blockElements;

export interface StepOptions {
  readonly sink?: UpdateSink | undefined;
  /** Part of all workers, or of their examples, that the update stands for: what is remembered of all moves by it. */
  readonly share?: number;
  /** The part of the model that the update is of; all the others stay. */
  readonly fragment?: number;
  /** Whether the version before may still be read: then its memory is not used again. */
  readonly isRead?: () => boolean;
}

interface ModelRun {
  /** That it belongs to. */
  readonly fragment: number;
  readonly start: number;
  readonly end: number;
  /** Where those of its elements end that the optimiser steps. */
  readonly stepped: number;
  /** Undefined for a run of none. */
  step: ServerStep | undefined;
  /** The parameters as the last step left them in the backend's memory, when they stay there. */
  parameters: StepValue | undefined;
  /** Of a model in several runs, parts of the whole vectors. */
  state: readonly StepValue[];
}

export class ServerModel {
  readonly size: number;
  readonly #runs: readonly ModelRun[];
  /** Two, so that one can be written out while the next is filled. */
  readonly #updates: readonly [Float32Array, Float32Array];
  readonly #layout: ModelLayout;
  readonly #room: ModelMemory | undefined;
  /** Of a model in several runs: the parts of its state that are vectors. */
  readonly #wholes: Wholes;
  /** H of FedDyn, over the elements that the optimiser steps: what the mean of all changes has added up to. */
  #memory: Float32Array | undefined;
  /** Of a run: its gradient with H. */
  readonly #gradient: Float32Array;
  #weights: Float32Array;
  /** Of a large model in several fragments: the memory of an earlier version that nobody reads any more. */
  #spare: Float32Array | undefined;
  #spec: unknown;

  private constructor(spec: unknown, runs: readonly ModelRun[], { weights, layout, room, wholes }: Start) {
    this.#spec = spec;
    this.size = weights.length;
    this.#runs = runs;
    this.#layout = layout;
    this.#room = room;
    this.#wholes = wholes;
    this.#memory = layout.remembers ? new Float32Array(layout.stepped) : undefined;
    this.#weights = weights;
    const longest = runs.reduce((most, { start, end }) => Math.max(most, end - start), 0);
    this.#updates = [new Float32Array(longest), new Float32Array(runs.length > 1 ? longest : 0)];
    this.#gradient = new Float32Array(layout.remembers ? longest : 0);
  }

  /**
   * @param room where versions lie; those given are then `room.version`
   * @throws {OptimizerError} for a specification that names no optimiser
   */
  static async create(
    spec: unknown,
    weights: Float32Array,
    { layout = plainLayout(weights.length), room }: CreateOptions = {},
  ): Promise<ServerModel> {
    const runs: ModelRun[] = [];
    const stepFor = compileSteps(spec, isSteppedAtOnce(layout, weights.length));
    const length = weights.length > residentElements ? runElements : residentElements;
    for (const [fragment, range] of layout.fragments.entries()) {
      for (let { start } = range; start < range.end; start += length) {
        const end = Math.min(start + length, range.end);
        const stepped = Math.max(start, Math.min(end, layout.stepped));
        const step = await stepFor(stepped - start);
        runs.push({ fragment, start, end, stepped, step, parameters: undefined, state: [] });
      }
    }
    const stateTypes = runs[0]?.step?.stateTypes ?? [];
    const wholes = runs.length > 1 ? stateTypes.map((type) => wholeOf(type, layout.stepped)) : [];
    // The same for every run of a size: nothing of the model's size is made on the way.
    const initial = new Map<ServerStep, readonly StepValue[]>();
    for (const [index, run] of runs.entries()) {
      if (index > 0) await loopTurns.next();
      if (run.step === undefined) continue;
      const state = initial.get(run.step) ?? (await run.step.initialize());
      initial.set(run.step, state);
      run.state = settled(run, state, { wholes, isShared: true });
    }
    return new ServerModel(spec, runs, { weights, layout, room, wholes });
  }

  /**
   * Steps with another learning rate from now on; the optimiser's state stays.
   *
   * @throws {CoordinatorOptionsError} for an optimiser whose rate is not one number
   */
  async setLearningRate(rate: number): Promise<void> {
    const spec = withRate(this.#spec, rate);
    if (JSON.stringify(spec) === JSON.stringify(this.#spec)) return;
    const [weights, state] = [this.#weights, this.state()];
    const old = new Set(this.#runs.map(({ step }) => step));
    const stepFor = compileSteps(spec, isSteppedAtOnce(this.#layout, this.size));
    const steps: (ServerStep | undefined)[] = [];
    for (const run of this.#runs) steps.push(await stepFor(run.stepped - run.start));
    for (const [index, run] of this.#runs.entries()) run.step = steps[index];
    for (const step of old) step?.dispose();
    this.#spec = spec;
    await this.restore(weights, state);
  }

  /**
   * The vector of the present version. A step makes another, so that it can be sent meanwhile; of a large model the step after
   * that may overwrite it.
   */
  get weights(): Float32Array {
    return this.#weights;
  }

  /** Whether a step leaves nothing of the sums that it consumes. */
  get overwritesSums(): boolean {
    return this.#room !== undefined;
  }

  /** The parts that rounds step by turns. */
  get ranges(): readonly ElementRange[] {
    return this.#layout.fragments;
  }

  /** Elements of an update of that part. */
  elementsOf(fragment: number): number {
    const { start, end } = this.#rangeOf(fragment);
    return end - start;
  }

  #rangeOf(fragment: number): ElementRange {
    const range = this.#layout.fragments[fragment];
    if (range === undefined) throw new Error(`no fragment ${fragment} of ${this.ranges.length}`);
    return range;
  }

  /** As it is until the next step. A scalar of the optimiser's, such as a count of steps, is one number for each fragment. */
  state(): OptimizerState {
    const firsts = this.#layout.fragments.flatMap((_, i) => this.#runs.find(({ fragment }) => fragment === i) ?? []);
    const parts =
      firsts[0]?.state.map((_, i) => this.#wholes[i] ?? joined(firsts.map(({ state }) => read(state[i])))) ?? [];
    return this.#memory === undefined ? parts : [...parts, this.#memory];
  }

  /** Puts a stored version in place. While it does, others have their turn of the event loop. */
  async restore(weights: Float32Array, stored: OptimizerState): Promise<void> {
    if (weights.length !== this.size) {
      throw new CoordinatorOptionsError(`a stored version of ${weights.length} elements, the job has ${this.size}`);
    }
    const { stepped, fragments } = this.#layout;
    const [state, [memory]] = this.#memory === undefined ? [stored, []] : [stored.slice(0, -1), stored.slice(-1)];
    for (const [index, run] of this.#runs.entries()) {
      if (index > 0) await loopTurns.next();
      run.parameters = undefined;
      if (run.step === undefined) continue;
      const types = run.step.stateTypes;
      const lengthOf = ({ shape }: TensorType) => (shape.length === 0 ? fragments.length : stepped);
      const fits = types.every((type, part) => state[part]?.length === lengthOf(type));
      if (!fits || state.length !== types.length) throw unfit();
      const parts = types.map(({ shape }, part) => {
        const values = state[part] ?? new Float32Array();
        const [from, to] = shape.length === 0 ? [run.fragment, run.fragment + 1] : [run.start, run.stepped];
        // What is moved to its place need not be copied before.
        return this.#wholes[part] === undefined ? values.slice(from, to) : values.subarray(from, to);
      });
      run.state = settled(run, parts, { wholes: this.#wholes, isShared: true });
    }
    if (this.#memory !== undefined) {
      if (!(memory instanceof Float32Array) || memory.length !== stepped) throw unfit();
      await copyInTurns(memory, this.#memory);
    }
    this.#weights = this.#room?.version ?? weights;
    if (this.#weights !== weights) await copyInTurns(weights, this.#weights);
  }

  /** Steps to the next version. While it does, others have their turn of the event loop. */
  async step(source: UpdateSource, options: StepOptions = {}): Promise<void> {
    const { sink, share = 1, fragment = 0, isRead = () => false } = options;
    const range = this.#rangeOf(fragment);
    const isResidentModel = this.#runs.length === 1 && isPlain(this.#layout, this.size);
    const next = isResidentModel ? undefined : (this.#room?.next ?? this.#spare ?? new Float32Array(this.size));
    if (next !== undefined) await this.#keepOthers(next, range);
    let result: TensorData | undefined;
    const kept: (Promise<void> | undefined)[] = [];
    const runs = this.#runs.filter((run) => run.fragment === fragment);
    for (const [index, run] of runs.entries()) {
      const { start, end } = run;
      if (index > 0) await loopTurns.next();
      await kept[index - 2];
      const update = (this.#updates[index % 2] ?? new Float32Array()).subarray(0, end - start);
      for (let at = start; at < end; at += blockElements) {
        const written = source(
          (at - range.start) / blockElements,
          update.subarray(at - start, Math.min(at + blockElements, end) - start),
        );
        if (written instanceof Promise) await written;
      }
      kept.push(sink?.(update));
      result = await this.#stepRun(run, this.#gradientOf(run, update, share));
      if (next === undefined) continue;
      if (result !== undefined) {
        next.set(result, start);
        letGo(result);
      }
      this.#moveOthers(run, update, { next, share });
    }
    for (const written of kept) await written;
    this.#room?.advance(isRead());
    const isReused = this.ranges.length > 1 && this.size > residentElements && !isRead();
    this.#spare = isReused ? this.#weights : undefined;
    const weights = this.#room?.version ?? next ?? result;
    if (!(weights instanceof Float32Array)) throw new Error("an optimiser gave parameters of another type than f32");
    this.#weights = weights;
  }

  /** What lies outside the part that is stepped. */
  async #keepOthers(next: Float32Array, { start, end }: ElementRange): Promise<void> {
    for (const [from, to] of [
      [0, start],
      [end, this.size],
    ] as const) {
      await copyInTurns(this.#weights.subarray(from, to), next.subarray(from, to));
    }
  }

  /** The elements that the optimiser steps. */
  async #stepRun(run: ModelRun, gradient: Float32Array): Promise<TensorData | undefined> {
    if (run.step === undefined) return undefined;
    const before = run.parameters ?? this.#weights.subarray(run.start, run.stepped);
    const { parameters, state } = await run.step.run(before, gradient, run.state);
    run.parameters = isResident(parameters) && isPlain(this.#layout, this.size) ? parameters : undefined;
    run.state = settled(run, state, { wholes: this.#wholes });
    return read(parameters);
  }

  /** FedDyn's step is to the mean of the local models less H, which grows by the part of all workers that took this one. */
  #gradientOf({ start, stepped }: ModelRun, update: Float32Array, share: number): Float32Array {
    const gradient = update.subarray(0, stepped - start);
    const memory = this.#memory?.subarray(start, stepped);
    if (memory === undefined) return gradient;
    const sum = this.#gradient.subarray(0, gradient.length);
    addMemory(gradient, memory, { share, sum });
    return sum;
  }

  /** Statistics become the mean of the workers'; control variates move by the part of all workers that took this step. */
  #moveOthers({ start, end }: ModelRun, update: Float32Array, how: { next: Float32Array; share: number }): void {
    const { averaged, stepped } = this.#layout;
    const move = (from: number, to: number, factor: number): void => {
      const [first, last] = [Math.max(from, start), Math.min(to, end)];
      if (first >= last) return;
      const before = this.#weights.subarray(first, last);
      moveBy(before, update.subarray(first - start, last - start), { factor, to: how.next.subarray(first, last) });
    };
    for (const range of averaged) move(range.start, range.end, 1);
    move(stepped, end, how.share);
  }

  dispose(): void {
    for (const { step } of this.#runs) step?.dispose();
  }
}

/** Remembers the share of the gradient as well, and sums both. A loop alone is a few times as fast as a callback. */
function addMemory(
  gradient: Float32Array,
  memory: Float32Array,
  how: { readonly share: number; readonly sum: Float32Array },
): void {
  const { share, sum } = how;
  for (let i = 0; i < sum.length; i++) {
    const grown = Math.fround(memory[i]! + Math.fround(share * gradient[i]!));
    memory[i] = grown;
    sum[i] = gradient[i]! + grown;
  }
}

function moveBy(
  before: Float32Array,
  update: Float32Array,
  how: { readonly factor: number; readonly to: Float32Array },
): void {
  const { factor, to } = how;
  for (let i = 0; i < to.length; i++) to[i] = before[i]! - Math.fround(factor * update[i]!);
}

/** By part of the state; undefined for a scalar. */
type Wholes = readonly (TensorData | undefined)[];

interface CreateOptions {
  readonly layout?: ModelLayout;
  readonly room?: ModelMemory | undefined;
}

interface Start extends Required<CreateOptions> {
  readonly weights: Float32Array;
  readonly wholes: Wholes;
}

const unfit = () => new CoordinatorOptionsError("the stored optimiser state does not fit the job's server optimiser");

/** Whether one compiled step serves one run of elements alone. */
const isSteppedAtOnce = ({ fragments }: ModelLayout, size: number) =>
  size <= residentElements && fragments.length === 1;

/** Numbers of the same kind, one after the other; the only one as it is. */
function joined(parts: readonly TensorData[]): TensorData {
  const [first = new Float32Array(), ...others] = parts;
  if (others.length === 0) return first;
  const Typed = first.constructor as new (values: number[]) => TensorData;
  return new Typed(parts.flatMap((part) => [...part]));
}

const wholeOf = ({ shape, dtype }: TensorType, elements: number): TensorData | undefined =>
  shape.length === 0 ? undefined : allocate(dtype, elements);

/** The state of a run, moved to where it belongs in whole vectors; what other runs begin with as well is copied. */
function settled(
  { start, stepped }: ModelRun,
  state: readonly StepValue[],
  { wholes, isShared = false }: { readonly wholes: Wholes; readonly isShared?: boolean },
): readonly StepValue[] {
  return state.map((part, i) => {
    const place = wholes[i]?.subarray(start, stepped);
    if (place === undefined) return part;
    const values = read(part);
    place.set(values);
    if (!isShared) letGo(values);
    return place;
  });
}

function read(value: StepValue | undefined): TensorData {
  if (value === undefined) return new Float32Array();
  return isResident(value) ? value.read() : value;
}

/** One step for each size of a run; others have their turn of the event loop before each but the first is compiled. */
function compileSteps(spec: unknown, donate: boolean): (elements: number) => Promise<ServerStep | undefined> {
  const steps = new Map<number, ServerStep>();
  return async (elements) => {
    const known = steps.get(elements);
    if (known !== undefined || elements === 0) return known;
    if (steps.size > 0) await loopTurns.next();
    const step = compileServerStep(spec, elements, donate);
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
