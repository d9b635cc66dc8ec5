/** Every layer takes all the options that its type names, and refuses others by name. */
import { expect, test } from "vitest";
import type {
  AvgPoolOptions,
  BatchNormOptions,
  BidirectionalOptions,
  ConvOptions,
  ConvTransposeOptions,
  DenseOptions,
  DepthwiseConvOptions,
  DropoutOptions,
  EmbeddingOptions,
  GroupNormOptions,
  LayerNormOptions,
  LayerLike,
  LstmOptions,
  MultiHeadAttentionOptions,
  NormOptions,
  PoolOptions,
  PositionalEmbeddingOptions,
  PreluOptions,
  RecurrentOptions,
  RnnOptions,
  TransformerBlockOptions,
} from "@weft/nn";
import {
  ModelError,
  avgPool1d,
  avgPool2d,
  batchNorm,
  bidirectional,
  conv1d,
  conv1dTranspose,
  conv2d,
  conv2dTranspose,
  dense,
  depthwiseConv2d,
  dropout,
  embedding,
  groupNorm,
  gru,
  instanceNorm,
  layerNorm,
  lstm,
  maxPool1d,
  maxPool2d,
  multiHeadAttention,
  ones,
  positionalEmbedding,
  prelu,
  relu,
  residual,
  rmsNorm,
  rnn,
  tanh,
  transformerBlock,
  upsample2d,
} from "@weft/nn";
import type { MixedPrecisionOptions } from "@weft/nn/mixedPrecision";
import { mixedPrecision } from "@weft/nn/mixedPrecision";

/** A layer with all of its options given. */
const whole = <O extends object>(make: (options: O) => LayerLike, options: Required<O>) =>
  [make.name, make as (options: object) => LayerLike, options] as const;

const kernelInitializer = ones();
const spatial = { kernel: 1, stride: 1, padding: "same", dilation: 1, useBias: false, kernelInitializer } as const;
const pooling = { window: 2, stride: 2, padding: "same" } as const;
const affine = { epsilon: 1e-3, useScale: false, useBias: false };
const sequence = {
  features: 2,
  output: "last",
  useBias: false,
  kernelInitializer,
  recurrentInitializer: ones(),
} as const;
const heads = { heads: 1, causal: true, dropout: 0.5, useBias: false, kernelInitializer };

test.each([
  whole<DenseOptions>(dense, { features: 1, useBias: false, kernelInitializer, biasInitializer: ones() }),
  whole<ConvOptions>(conv1d, { ...spatial, features: 2, groups: 2 }),
  whole<ConvOptions>(conv2d, { ...spatial, features: 2, groups: 2 }),
  whole<DepthwiseConvOptions>(depthwiseConv2d, { ...spatial, multiplier: 2 }),
  whole<ConvTransposeOptions>(conv1dTranspose, { ...spatial, features: 2, outputPadding: 0 }),
  whole<ConvTransposeOptions>(conv2dTranspose, { ...spatial, features: 2, outputPadding: 0 }),
  whole<PoolOptions>(maxPool1d, pooling),
  whole<PoolOptions>(maxPool2d, pooling),
  whole<AvgPoolOptions>(avgPool1d, { ...pooling, countIncludePad: true }),
  whole<AvgPoolOptions>(avgPool2d, { ...pooling, countIncludePad: true }),
  whole(upsample2d, { scale: 2 }),
  whole<LayerNormOptions>(layerNorm, { ...affine, axes: 1 }),
  whole<GroupNormOptions>(groupNorm, { ...affine, groups: 1 }),
  whole<NormOptions>(instanceNorm, affine),
  whole<Omit<NormOptions, "useBias">>(rmsNorm, { epsilon: 1e-3, useScale: false }),
  whole<BatchNormOptions>(batchNorm, { ...affine, momentum: 0.5 }),
  whole<EmbeddingOptions>(embedding, { vocabulary: 2, features: 2, initializer: ones() }),
  whole<PositionalEmbeddingOptions>(positionalEmbedding, { length: 2, initializer: ones() }),
  whole<DropoutOptions>(dropout, { rate: 0.5 }),
  whole<PreluOptions>(prelu, { initialSlope: 0 }),
  whole<RnnOptions>(rnn, { ...sequence, activation: tanh }),
  whole<LstmOptions>(lstm, { ...sequence, forgetBias: 0 }),
  whole<RecurrentOptions>(gru, sequence),
  whole<MultiHeadAttentionOptions>(multiHeadAttention, heads),
  whole<TransformerBlockOptions>(transformerBlock, { ...heads, hidden: 2, activation: relu, norm: rmsNorm }),
  whole<BidirectionalOptions>(
    function bidirectionalOf(options) {
      return bidirectional(relu, options);
    },
    { merge: "sum" },
  ),
  whole<{ shortcut?: LayerLike }>(
    function residualOf(options) {
      return residual(relu, options);
    },
    { shortcut: relu },
  ),
  whole<MixedPrecisionOptions>(
    function mixedPrecisionOf(options) {
      return mixedPrecision(relu, options);
    },
    { compute: "f16" },
  ),
])("%s knows its own options and no other", (name, make, options) => {
  expect(() => make(options)).not.toThrow();
  const kind = name.replace(/Of$/, "");
  const expected = new RegExp(`^${kind}: expected the options .*, got units; rename it or leave it out$`);
  expect(() => make({ ...options, units: 10 })).toThrow(expected);
  expect(() => make({ ...options, units: 10 })).toThrow(ModelError);
  for (const option of Object.keys(options)) expect(() => make({ ...options, units: 10 })).toThrow(option);
});
