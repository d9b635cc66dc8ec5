/** What one does with a model: make its parameters, and run it with them. */
import type { Shape, TensorType } from "@weft/tensor";
import { Tensor, foldIn, isFloat, placeholder } from "@weft/tensor";
import { ParameterError } from "./errors.ts";
import type { LayerLike } from "./layer.ts";
import type { Run } from "./run.ts";
import { buildModel } from "./run.ts";
import type { State } from "./state.ts";
import { continuedState, firstState, stateless } from "./state.ts";

/** Parameters by path, such as `conv2d.kernel`, in the order in which the model asks for them; statistics are among them. */
export type Parameters = Record<string, Tensor>;

/**
 * The model's first parameters, with shapes that fit `input`.
 *
 * @param key a random key; the same one gives the same values
 * @param input a batch, or just its type: `{ shape: [1, 28, 28, 1], dtype: "f32" }`. Parameters are of its dtype, f32 for integers.
 */
export function initialize(model: LayerLike, key: Tensor, input: TensorType | Tensor): Parameters {
  const parameters: Parameters = {};
  const dtype = isFloat(input.dtype) ? input.dtype : "f32";
  let count = 0;
  const parameter: Run["parameter"] = (path, shape, initializer) => {
    const known = parameters[path];
    if (known) return sameShape(path, known, shape);
    const value = initializer(foldIn(key, count++), shape).cast(dtype);
    return (parameters[path] = sameShape(path, value, shape));
  };
  const statistic: Run["statistic"] = (...asked) => ({ value: parameter(...asked), update: () => undefined });
  buildModel(model, { training: false, parameter, statistic, ...stateless })(
    input instanceof Tensor ? input : placeholder(input),
  );
  return parameters;
}

export interface ApplyOptions {
  /** Default false: dropout lets everything pass. */
  readonly training?: boolean;
  /** What dropout draws from; needed while training a model that has it. */
  readonly key?: Tensor;
}

/**
 * The model's output for a batch.
 *
 * @throws {ParameterError} when a parameter is missing or does not fit the input
 * @throws {ModelError} when the model draws random numbers in training and has no key
 */
export function apply(
  model: LayerLike,
  parameters: Readonly<Parameters>,
  input: Tensor,
  options: ApplyOptions = {},
): Tensor {
  return buildModel(model, { ...parametersOf(parameters, options), ...stateless })(input);
}

export interface Applied {
  readonly output: Tensor;
  /** Every statistic of the model, updated if it trains: `{ ...parameters, ...statistics }` are the next parameters. */
  readonly statistics: Parameters;
  /** For the next part of the sequence. */
  readonly state: State;
}

/**
 * The model's output together with what else comes of running it: new running statistics, and the state of its sequences.
 *
 * @param options `state` is what `initialState` or the part before gave; without it, sequences begin here and no state is kept
 */
export function applyWithState(
  model: LayerLike,
  parameters: Readonly<Parameters>,
  input: Tensor,
  options: ApplyOptions & { readonly state?: State } = {},
): Applied {
  const statistics: Parameters = {};
  const state: Record<string, Tensor> = {};
  const kept = options.state ? continuedState(options.state, state) : stateless;
  const run = { ...parametersOf(parameters, options, statistics), ...kept };
  const output = buildModel(model, run)(input);
  return { output, statistics, state };
}

/** The names of those parameters that are running statistics: measured in training, not learned. */
export function statisticsOf(model: LayerLike, input: TensorType | Tensor): string[] {
  const names = new Set<string>();
  const types = { shape: input.shape, dtype: input.dtype };
  buildModel(model, { ...shapesOnly(types, (path) => names.add(path)), ...stateless })(placeholder(types));
  return [...names];
}

/**
 * The state before the first part of sequences, zeros: hand it to `applyWithState`, and what that gives to the next part.
 *
 * @param input a part, or its type: only the batch size and the number of features matter
 * @param options `length`: the most positions that caches of attention hold, which all parts together must not exceed
 */
export function initialState(
  model: LayerLike,
  input: TensorType | Tensor,
  { length }: { readonly length?: number } = {},
): State {
  const state: Record<string, Tensor> = {};
  const types = { shape: input.shape, dtype: input.dtype };
  buildModel(model, { ...shapesOnly(types), ...firstState(state, length) })(placeholder(types));
  return state;
}

/** A run on types alone: parameters have no values. */
export function shapesOnly(
  input: TensorType,
  onStatistic: (path: string) => void = () => undefined,
): Pick<Run, "training" | "parameter" | "statistic"> {
  const dtype = isFloat(input.dtype) ? input.dtype : "f32";
  const parameter: Run["parameter"] = (_, shape) => placeholder({ shape, dtype });
  return {
    training: false,
    parameter,
    statistic(path, ...asked) {
      onStatistic(path);
      return { value: parameter(path, ...asked), update: () => undefined };
    },
  };
}

/** The part of a run that reads parameters; what becomes of statistics goes into `statistics`. */
function parametersOf(
  parameters: Readonly<Parameters>,
  { training = false, key }: ApplyOptions,
  statistics: Parameters = {},
): Pick<Run, "training" | "key" | "parameter" | "statistic"> {
  const parameter = (path: string, shape: Shape) => {
    const value = parameters[path];
    if (value) return sameShape(path, value, shape);
    throw new ParameterError(
      `${path}: expected a parameter of shape [${shape.join(", ")}], got none; there are ` +
        `${Object.keys(parameters).join(", ") || "no parameters"}; take them from initialize(model, key, input)`,
    );
  };
  return {
    training,
    key,
    parameter,
    statistic(path, shape) {
      const value = (statistics[path] ??= parameter(path, shape));
      return { value, update: (next) => (statistics[path] = sameShape(path, next, shape)) };
    },
  };
}

function sameShape(path: string, value: Tensor, shape: Shape): Tensor {
  if (value.shape.join() === shape.join()) return value;
  throw new ParameterError(
    `${path}: expected shape [${shape.join(", ")}] for this input, got [${value.shape.join(", ")}]; ` +
      "give inputs shaped as at initialisation, or initialise again",
  );
}
