/** What one does with a model: make its parameters, and run it with them. */
import type { Shape, TensorType } from "@weft/tensor";
import { Tensor, foldIn, isFloat, placeholder } from "@weft/tensor";
import { ParameterError } from "./errors.ts";
import type { LayerLike } from "./layer.ts";
import type { Run } from "./run.ts";
import { buildModel } from "./run.ts";

/** Parameters by path, such as `conv2d.kernel`, in the order in which the model asks for them. */
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
  const run: Run = {
    training: false,
    parameter(path, shape, initializer) {
      const known = parameters[path];
      if (known) return sameShape(path, known, shape);
      const value = initializer(foldIn(key, count++), shape).cast(dtype);
      return (parameters[path] = sameShape(path, value, shape));
    },
  };
  buildModel(model, run)(input instanceof Tensor ? input : placeholder(input));
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
  { training = false, key }: ApplyOptions = {},
): Tensor {
  const run: Run = {
    training,
    key,
    parameter(path, shape) {
      const value = parameters[path];
      if (value) return sameShape(path, value, shape);
      throw new ParameterError(
        `${path}: expected a parameter of shape [${shape.join(", ")}], got none; there are ` +
          `${Object.keys(parameters).join(", ") || "no parameters"}; take them from initialize(model, key, input)`,
      );
    },
  };
  return buildModel(model, run)(input);
}

function sameShape(path: string, value: Tensor, shape: Shape): Tensor {
  if (value.shape.join() === shape.join()) return value;
  throw new ParameterError(
    `${path}: expected shape [${shape.join(", ")}] for this input, got [${value.shape.join(", ")}]; ` +
      "give inputs shaped as at initialisation, or initialise again",
  );
}
