/** What the engines are timed on. `README.md` tells the networks in words. */
import type { Inputs } from "./inputs.ts";
import { inputMaker } from "./inputs.ts";

export interface Workload {
  readonly name: string;
  readonly unit: string;
  /** Units in one run. */
  readonly work: number;
  /** Whether it draws random numbers, so that losses are compared without. */
  readonly dropout: boolean;
  readonly inputs: () => Inputs;
}

export const stepWorkloads: readonly Workload[] = [
  step("mlp", mlp),
  { ...step("cnn", cnn), dropout: true },
  step("fedcnn", fedcnn),
  step("charlstm", charlstm),
  step("gpt", gpt),
];

export const matmulWorkloads: readonly Workload[] = [64, 128, 256, 512, 1024, 2048].map((size) => ({
  name: `matmul ${size}`,
  unit: "GFLOP/s",
  work: (2 * size ** 3) / 1e9,
  dropout: false,
  inputs: () => matmul(size),
}));

const millions = (name: string, shape: readonly number[], scale: readonly [number, number]): Workload => ({
  name,
  unit: "million elements/s",
  work: shape.reduce((product, size) => product * size, 1) / 1e6,
  dropout: false,
  inputs: () => {
    const { between } = inputMaker(5);
    return { weights: {}, data: { x: between(-1, 1, shape), y: between(...scale, shape) }, settings: {} };
  },
});

/** x and y of one shape; x is what comes out of the run before, where the shape allows it. */
export const elementwiseWorkloads: readonly Workload[] = [
  millions("x*y+x", [10_000_000], [-1e-4, 1e-4]),
  millions("tanh", [1_000_000], [0, 1]),
  millions("sum", [10_000_000], [0, 1]),
  millions("column sums", [4096, 1024], [0, 1]),
  millions("softmax of rows", [4096, 1024], [0, 1]),
];

function step(name: string, inputs: () => Inputs): Workload {
  return { name, unit: "steps/s", work: 1, dropout: false, inputs };
}

/** 784-512-512-10, ReLU, batch 128, SGD. */
function mlp(): Inputs {
  const { between, below, constant, glorot } = inputMaker(1);
  return {
    weights: {
      "dense.kernel": glorot(784, 512),
      "dense.bias": constant(0, [512]),
      "dense_1.kernel": glorot(512, 512),
      "dense_1.bias": constant(0, [512]),
      "dense_2.kernel": glorot(512, 10),
      "dense_2.bias": constant(0, [10]),
    },
    data: { images: between(0, 1, [128, 784]), labels: below(10, [128]) },
    settings: { learningRate: 0.1 },
  };
}

/** Convolution 3×3×32, ReLU, max-pool 2, dense 128, ReLU, dropout ½, dense 10, batch 32, Adam: Keras's MNIST example. */
function cnn(): Inputs {
  const { between, below, constant, glorot } = inputMaker(2);
  return {
    weights: {
      "conv2d.kernel": glorot(3, 3, 1, 32),
      "conv2d.bias": constant(0, [32]),
      "dense.kernel": glorot(13 * 13 * 32, 128),
      "dense.bias": constant(0, [128]),
      "dense_1.kernel": glorot(128, 10),
      "dense_1.bias": constant(0, [10]),
    },
    data: { images: between(0, 1, [32, 28, 28, 1]), labels: below(10, [32]) },
    settings: { learningRate: 1e-3 },
  };
}

/** FedAvg's convolutional network (McMahan et al. 2017): 5×5×32, pool, 5×5×64, pool, dense 512, dense 10, batch 10, SGD. */
function fedcnn(): Inputs {
  const { between, below, constant, glorot } = inputMaker(3);
  return {
    weights: {
      "conv2d.kernel": glorot(5, 5, 1, 32),
      "conv2d.bias": constant(0, [32]),
      "conv2d_1.kernel": glorot(5, 5, 32, 64),
      "conv2d_1.bias": constant(0, [64]),
      "dense.kernel": glorot(7 * 7 * 64, 512),
      "dense.bias": constant(0, [512]),
      "dense_1.kernel": glorot(512, 10),
      "dense_1.bias": constant(0, [10]),
    },
    data: { images: between(0, 1, [10, 28, 28, 1]), labels: below(10, [10]) },
    settings: { learningRate: 0.05 },
  };
}

/**
 * FedAvg's character network: embedding 8, two LSTMs of 256, 80 steps, 90 characters, the next one predicted at every step,
 * batch 10, SGD. Gates in the order input, forget, cell, output.
 */
function charlstm(): Inputs {
  const { between, below, constant, glorot } = inputMaker(4);
  const [batch, steps, characters, hidden] = [10, 80, 90, 256];
  return {
    weights: {
      "embedding.table": between(-0.05, 0.05, [characters, 8]),
      "lstm.kernel": glorot(8, 4 * hidden),
      "lstm.recurrent": glorot(hidden, 4 * hidden),
      "lstm.bias": constant(0, [4 * hidden]),
      "lstm_1.kernel": glorot(hidden, 4 * hidden),
      "lstm_1.recurrent": glorot(hidden, 4 * hidden),
      "lstm_1.bias": constant(0, [4 * hidden]),
      "dense.kernel": glorot(hidden, characters),
      "dense.bias": constant(0, [characters]),
    },
    data: { characters: below(characters, [batch, steps]), next: below(characters, [batch, steps]) },
    settings: { learningRate: 10 },
  };
}

/**
 * A GPT of 4 layers, width 128, 4 heads, context 64, 65 characters, batch 12, AdamW: normalisation before each part, GELU by
 * tanh, no dropout, an output layer of its own without bias.
 */
function gpt(): Inputs {
  const { between, below, constant, glorot } = inputMaker(6);
  const [batch, context, width, vocabulary] = [12, 64, 128, 65];
  const block = (path: string) =>
    Object.entries({
      [`${path}.ln1.gamma`]: constant(1, [width]),
      [`${path}.ln1.beta`]: constant(0, [width]),
      [`${path}.attn.qkv.kernel`]: glorot(width, 3 * width),
      [`${path}.attn.qkv.bias`]: constant(0, [3 * width]),
      [`${path}.attn.out.kernel`]: glorot(width, width),
      [`${path}.attn.out.bias`]: constant(0, [width]),
      [`${path}.ln2.gamma`]: constant(1, [width]),
      [`${path}.ln2.beta`]: constant(0, [width]),
      [`${path}.mlp.fc1.kernel`]: glorot(width, 4 * width),
      [`${path}.mlp.fc1.bias`]: constant(0, [4 * width]),
      [`${path}.mlp.fc2.kernel`]: glorot(4 * width, width),
      [`${path}.mlp.fc2.bias`]: constant(0, [width]),
    });
  return {
    weights: {
      "embedding.table": between(-0.05, 0.05, [vocabulary, width]),
      "positionalEmbedding.table": between(-0.05, 0.05, [context, width]),
      ...Object.fromEntries(gptBlocks.flatMap(block)),
      "layerNorm.gamma": constant(1, [width]),
      "layerNorm.beta": constant(0, [width]),
      "dense.kernel": glorot(width, vocabulary),
    },
    data: { tokens: below(vocabulary, [batch, context]), next: below(vocabulary, [batch, context]) },
    settings: { learningRate: 1e-3, weightDecay: 0.01 },
  };
}

/** Paths of the four blocks. */
export const gptBlocks = ["transformerBlock", "transformerBlock_1", "transformerBlock_2", "transformerBlock_3"];

/** x and w, w = I − 2vvᵀ/|v|²: its own inverse, so that x·w·w·… stays as large as x. */
function matmul(size: number): Inputs {
  const { between } = inputMaker(7);
  const x = between(-1, 1, [size, size]);
  const v = [...between(-1, 1, [size]).data];
  const norm = v.reduce((sum, value) => sum + value * value, 0);
  const w = Float32Array.from({ length: size * size }, (_, i) => {
    const [row, column] = [Math.floor(i / size), i % size];
    return (row === column ? 1 : 0) - (2 * v[row]! * v[column]!) / norm;
  });
  return { weights: {}, data: { x, w: { shape: [size, size], data: w } }, settings: {} };
}
