/** Layers, losses, initialisers and metrics: see README.md. */
export { define, times } from "./layer.ts";
export type { Layer, LayerLike, Scope, StateType, TensorFunction, Variable } from "./layer.ts";
export { apply, applyWithState, initialState, initialize, statisticsOf } from "./model.ts";
export type { Applied, ApplyOptions, Parameters } from "./model.ts";
export type { State } from "./state.ts";
export { sequential } from "./sequential.ts";
export { dense } from "./dense.ts";
export type { DenseOptions } from "./dense.ts";
export { conv1d, conv2d, depthwiseConv2d } from "./conv.ts";
export type { ConvOptions, DepthwiseConvOptions, PerAxis } from "./conv.ts";
export { conv1dTranspose, conv2dTranspose } from "./convTranspose.ts";
export type { ConvTransposeOptions } from "./convTranspose.ts";
export { avgPool1d, avgPool2d, globalAvgPool, globalMaxPool, maxPool1d, maxPool2d, upsample2d } from "./pool.ts";
export type { AvgPoolOptions, PoolOptions } from "./pool.ts";
export { reshape } from "./reshape.ts";
export { dropout } from "./dropout.ts";
export type { DropoutOptions } from "./dropout.ts";
export { residual } from "./residual.ts";
export { embedding, positionalEmbedding } from "./embedding.ts";
export type { EmbeddingFunction, EmbeddingOptions, PositionalEmbeddingOptions } from "./embedding.ts";
export type { RecurrentFunction, RecurrentOptions, RecurrentState } from "./recurrent.ts";
export { rnn } from "./rnn.ts";
export type { RnnOptions } from "./rnn.ts";
export { lstm } from "./lstm.ts";
export type { LstmOptions } from "./lstm.ts";
export { gru } from "./gru.ts";
export { bidirectional } from "./bidirectional.ts";
export type { BidirectionalOptions } from "./bidirectional.ts";
export { attention } from "./attention.ts";
export type { AttentionOptions } from "./attention.ts";
export { multiHeadAttention } from "./multiHeadAttention.ts";
export type { AttentionFunction, AttentionInputs, MultiHeadAttentionOptions } from "./multiHeadAttention.ts";
export { transformerBlock } from "./transformerBlock.ts";
export type { TransformerBlockOptions } from "./transformerBlock.ts";
export { groupNorm, instanceNorm, layerNorm, rmsNorm } from "./norm.ts";
export type { GroupNormOptions, LayerNormOptions, NormOptions } from "./norm.ts";
export { batchNorm } from "./batchNorm.ts";
export type { BatchNormOptions } from "./batchNorm.ts";
export * from "./activations.ts";
export { prelu } from "./prelu.ts";
export type { PreluOptions } from "./prelu.ts";
export type { LossOptions } from "./reduction.ts";
export {
  cosineDistance,
  cosineSimilarity,
  hinge,
  huber,
  meanAbsoluteError,
  meanSquaredError,
} from "./regressionLosses.ts";
export type { HuberOptions } from "./regressionLosses.ts";
export { binaryCrossEntropy, klDivergence, softmaxCrossEntropy } from "./crossEntropy.ts";
export type { BinaryCrossEntropyOptions, KlDivergenceOptions, SoftmaxCrossEntropyOptions } from "./crossEntropy.ts";
export { accuracy, binaryAccuracy, topKAccuracy } from "./metrics.ts";
export {
  constant,
  gainFor,
  glorotNormal,
  glorotUniform,
  heNormal,
  heUniform,
  lecunNormal,
  lecunUniform,
  normal,
  ones,
  truncatedNormal,
  uniform,
  varianceScaling,
  zeros,
} from "./initializers.ts";
export { orthogonal } from "./orthogonal.ts";
export type { GainOptions, HeOptions, Initializer, NormalOptions, VarianceScalingOptions } from "./initializers.ts";
export { ModelError, ParameterError } from "./errors.ts";
