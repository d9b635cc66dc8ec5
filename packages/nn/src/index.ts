/** Layers, losses, initialisers and metrics: see README.md. */
export { define, times } from "./layer.ts";
export type { Layer, LayerLike, Scope, TensorFunction } from "./layer.ts";
export { apply, initialize } from "./model.ts";
export type { ApplyOptions, Parameters } from "./model.ts";
export { summarize, summaryLine } from "./summary.ts";
export type { LayerSummary, ModelSummary } from "./summary.ts";
export { sequential } from "./sequential.ts";
export { dense } from "./dense.ts";
export type { DenseOptions } from "./dense.ts";
export { conv2d } from "./conv2d.ts";
export type { Conv2dOptions } from "./conv2d.ts";
export { avgPool2d, maxPool2d } from "./pool.ts";
export type { Pool2dOptions } from "./pool.ts";
export { dropout } from "./dropout.ts";
export type { DropoutOptions } from "./dropout.ts";
export { flatten, relu, sigmoid, softmax, tanh } from "./activations.ts";
export { binaryCrossEntropy, meanSquaredError, softmaxCrossEntropy } from "./losses.ts";
export { accuracy, binaryAccuracy, meanAbsoluteError } from "./metrics.ts";
export {
  constant,
  glorotNormal,
  glorotUniform,
  heNormal,
  heUniform,
  normal,
  ones,
  uniform,
  zeros,
} from "./initializers.ts";
export type { GainOptions, HeOptions, Initializer } from "./initializers.ts";
export { ModelError, ParameterError } from "./errors.ts";
