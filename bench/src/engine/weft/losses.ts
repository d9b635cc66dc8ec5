/** The five networks: their loss as a function of the weights, and their optimiser. */
import type { ApplyOptions, LayerLike, Parameters } from "@weft/nn";
import {
  apply,
  conv2d,
  dense,
  dropout,
  embedding,
  flatten,
  geluTanh,
  layerNorm,
  lstm,
  maxPool2d,
  positionalEmbedding,
  relu,
  sequential,
  softmaxCrossEntropy,
  times,
  transformerBlock,
} from "@weft/nn";
import type { Optimizer } from "@weft/optim";
import { adam, adamw, sgd } from "@weft/optim";
import type { Tensor } from "@weft/tensor";
import { gptBlocks } from "../workloads.ts";

export interface Network {
  readonly loss: (weights: Parameters, batch: Parameters, options: Required<ApplyOptions>) => Tensor;
  readonly optimizer: (settings: Readonly<Record<string, number>>) => Optimizer;
}

const classifier =
  (model: LayerLike): Network["loss"] =>
  (weights, { images, labels }, options) =>
    softmaxCrossEntropy(apply(model, weights, images!, options), labels!);

const plainDescent: Network["optimizer"] = ({ learningRate = 0 }) => sgd({ learningRate });

const mlp = sequential(
  flatten,
  dense({ features: 512 }),
  relu,
  dense({ features: 512 }),
  relu,
  dense({ features: 10 }),
);

const cnn = sequential(
  conv2d({ features: 32, kernel: 3 }),
  relu,
  maxPool2d({ window: 2 }),
  flatten,
  dense({ features: 128 }),
  relu,
  dropout({ rate: 0.5 }),
  dense({ features: 10 }),
);

const fedcnn = sequential(
  conv2d({ features: 32, kernel: 5, padding: "same" }),
  relu,
  maxPool2d({ window: 2 }),
  conv2d({ features: 64, kernel: 5, padding: "same" }),
  relu,
  maxPool2d({ window: 2 }),
  flatten,
  dense({ features: 512 }),
  relu,
  dense({ features: 10 }),
);

const charlstm = sequential(
  embedding({ vocabulary: 90, features: 8 }),
  lstm({ features: 256 }),
  lstm({ features: 256 }),
  dense({ features: 90 }),
);

const gpt = sequential(
  embedding({ vocabulary: 65, features: 128 }),
  positionalEmbedding({ length: 64 }),
  ...times(gptBlocks.length, () => transformerBlock({ heads: 4, causal: true, activation: geluTanh })),
  layerNorm(),
  dense({ features: 65, useBias: false }),
);

export const losses: Readonly<Record<string, Network>> = {
  mlp: { loss: classifier(mlp), optimizer: plainDescent },
  cnn: { loss: classifier(cnn), optimizer: ({ learningRate = 0 }) => adam({ learningRate }) },
  fedcnn: { loss: classifier(fedcnn), optimizer: plainDescent },
  charlstm: {
    loss: (weights, { characters, next }) => softmaxCrossEntropy(apply(charlstm, weights, characters!), next!),
    optimizer: plainDescent,
  },
  gpt: {
    loss: (weights, { tokens, next }) => softmaxCrossEntropy(apply(gpt, weights, tokens!), next!),
    optimizer: ({ learningRate = 0, weightDecay = 0 }) => adamw({ learningRate, weightDecay }),
  },
};
