/**
 * Layers that go along a sequence. The share of the input is computed for all steps at once, so that the loop holds nothing
 * but the recurrent product; the loop is one `scan`, traced once whatever the length.
 */
import type { Tensor } from "@weft/tensor";
import { ShapeError, scan, typeText, zeros as zeroTensor } from "@weft/tensor";
import { ModelError } from "./errors.ts";
import type { Initializer } from "./initializers.ts";
import { glorotUniform, zeros } from "./initializers.ts";
import type { Layer, TensorFunction } from "./layer.ts";
import { define } from "./layer.ts";
import { orthogonal } from "./orthogonal.ts";
import { checkCount, checkOptions } from "./settings.ts";

export interface RecurrentOptions {
  /** Size of the state, and of the output at each step. */
  readonly features: number;
  /** Every step's output, [batch, time, features] (the default), or the last one alone, [batch, features]. */
  readonly output?: "sequence" | "last";
  /** Default true. */
  readonly useBias?: boolean;
  /** Of the weights on the input; default `glorotUniform()`. */
  readonly kernelInitializer?: Initializer;
  /** Of the weights on the state; default `orthogonal()`. */
  readonly recurrentInitializer?: Initializer;
}

/** Tensors [batch, features] by name; `h` is the output. */
export type RecurrentState = Readonly<Record<string, Tensor>>;

export interface RecurrentFunction extends TensorFunction {
  /** Runs on from a state (default zeros), and gives the last one too: what a decoder takes from its encoder. */
  readonly run: (x: Tensor, state?: RecurrentState) => { readonly output: Tensor; readonly state: RecurrentState };
}

/** What tells one recurrent layer from another. */
export interface Cell {
  readonly kind: string;
  /** Number of blocks of `features` columns in the weights. */
  readonly blocks: number;
  /** Names of its state; all have the shape of the output, which is `h`. */
  readonly state: readonly string[];
  readonly biasInitializer?: Initializer;
  /** Names of options that it has beside those that all share. */
  readonly options?: readonly string[];
  /** True when the state's product has a bias of its own. */
  readonly recurrentBias?: boolean;
  readonly step: (blocks: Blocks, before: (name: string) => Tensor) => RecurrentState;
}

/** The shares of input and state in block i, [batch, features] each, and their sum. */
export interface Blocks {
  readonly x: (i: number) => Tensor;
  readonly h: (i: number) => Tensor;
  readonly sum: (i: number) => Tensor;
}

const sharedOptions = ["features", "output", "useBias", "kernelInitializer", "recurrentInitializer"];

export function recurrent(cell: Cell, options: RecurrentOptions): Layer<RecurrentFunction> {
  const { kind, blocks } = cell;
  const { features, output = "sequence", useBias = true } = options;
  const { kernelInitializer = glorotUniform(), recurrentInitializer = orthogonal() } = options;
  checkOptions(kind, options, [...sharedOptions, ...(cell.options ?? [])]);
  checkCount(kind, "features", features);
  const width = blocks * features;
  return define(
    ({ parameter, state: remembered }) => {
      const run = (x: Tensor, state?: RecurrentState) => {
        const [batch, , inputs] = expectSequence(kind, x);
        const kernel = parameter("kernel", [inputs, width], kernelInitializer);
        const onState = parameter("recurrent", [features, width], recurrentInitializer);
        const bias = useBias ? parameter("bias", [width], cell.biasInitializer ?? zeros()) : undefined;
        const stateBias = useBias && cell.recurrentBias ? parameter("recurrentBias", [width], zeros()) : undefined;
        const projected = plus(x.swapAxes(0, 1).matmul(kernel), bias);
        const start = state ?? zeroState(cell, [batch, features], projected);
        expectState(kind, start, [batch, features]);
        const step = (before: RecurrentState, fromInput: Tensor) => {
          const read = reader(kind, before);
          const fromState = plus(read("h").matmul(onState), stateBias);
          const next = cell.step(blocksOf(fromInput, fromState, features), read);
          return [next, reader(kind, next)("h")] as const;
        };
        const [last, all] = scan(step, start, projected);
        return { output: output === "last" ? reader(kind, last)("h") : all.swapAxes(0, 1), state: last };
      };
      const call = (x: Tensor) => {
        const shape = [x.shape[0] ?? 0, features];
        const variables = cell.state.map((name) => [name, remembered(name, { shape, dtype: x.dtype })] as const);
        const known = variables.flatMap(([name, variable]) => (variable ? [[name, variable.value] as const] : []));
        const result = run(x, known.length > 0 ? Object.fromEntries(known) : undefined);
        for (const [name, variable] of variables) variable?.update(reader(kind, result.state)(name));
        return result.output;
      };
      return Object.assign(call, { run });
    },
    { kind },
  );
}

const plus = (x: Tensor, bias: Tensor | undefined) => (bias ? x.add(bias) : x);

function blocksOf(fromInput: Tensor, fromState: Tensor, features: number): Blocks {
  const whole = fromInput.add(fromState);
  const block = (z: Tensor) => (i: number) => z.at(null, [i * features, (i + 1) * features]);
  return { x: block(fromInput), h: block(fromState), sum: block(whole) };
}

const reader = (kind: string, state: RecurrentState) => (name: string) => {
  const value = state[name];
  if (value) return value;
  throw new ModelError(
    `${kind}: the state has no ${name}, only ${Object.keys(state).join(", ")}; hand on the state that run gave`,
  );
};

const zeroState = (cell: Cell, shape: readonly number[], { dtype }: Tensor): RecurrentState =>
  Object.fromEntries(cell.state.map((name) => [name, zeroTensor(shape, { dtype })]));

function expectSequence(kind: string, x: Tensor): readonly [batch: number, time: number, features: number] {
  const [batch = 0, time = 0, features = 0] = x.shape;
  if (x.rank !== 3) {
    const remedy =
      x.rank === 2 ? "put an embedding before it, or add an axis for time, batch or features" : "reshape it";
    throw new ShapeError(`${kind}: expected [batch, time, features], got ${typeText(x)}; ${remedy}`);
  }
  return [batch, time, features];
}

function expectState(kind: string, state: RecurrentState, shape: readonly number[]): void {
  for (const [name, value] of Object.entries(state)) {
    if (value.shape.join() !== shape.join()) {
      throw new ShapeError(
        `${kind}: expected state ${name} of shape [${shape.join(", ")}], got ${typeText(value)}; ` +
          "states belong to one batch and one size",
      );
    }
  }
}
