/** The five networks in jax-js. Images are [batch, channel, row, column] there; every argument is consumed. */
import { lax, nn, numpy as np } from "@jax-js/jax";
import type { Optimizer, Weights } from "./optimizers.ts";
import { adam, sgd } from "./optimizers.ts";
import { gptBlocks } from "../workloads.ts";

export interface Network {
  readonly loss: (weights: Weights, batch: Weights, dropped: (x: np.Array) => np.Array) => np.Array;
  readonly optimizer: (settings: Readonly<Record<string, number>>) => Optimizer;
  /** Brings weights and data to the layout that suits it, before time is taken. */
  readonly prepare?: (name: string, x: np.Array) => np.Array;
}

export const networks: Readonly<Record<string, Network>> = {
  mlp: {
    optimizer: sgd,
    loss(weights, { images, labels }) {
      const hidden = nn.relu(dense(weights, "dense", images!));
      return crossEntropy(dense(weights, "dense_2", nn.relu(dense(weights, "dense_1", hidden))), labels!);
    },
  },
  cnn: {
    optimizer: adam,
    prepare: (name, x) => channelsFirst(name, x, [13, 13, 32]),
    loss(weights, { images, labels }, dropped) {
      const pooled = convolution(weights, "conv2d", images!, "VALID");
      const hidden = nn.relu(dense(weights, "dense", pooled.reshape([pooled.shape[0]!, -1])));
      return crossEntropy(dense(weights, "dense_1", dropped(hidden)), labels!);
    },
  },
  fedcnn: {
    optimizer: sgd,
    prepare: (name, x) => channelsFirst(name, x, [7, 7, 64]),
    loss(weights, { images, labels }) {
      const pooled = convolution(weights, "conv2d_1", convolution(weights, "conv2d", images!, "SAME"), "SAME");
      const hidden = nn.relu(dense(weights, "dense", pooled.reshape([pooled.shape[0]!, -1])));
      return crossEntropy(dense(weights, "dense_1", hidden), labels!);
    },
  },
  charlstm: {
    optimizer: sgd,
    loss(weights, { characters, next }) {
      const steps = np.unstack(np.take(weights["embedding.table"]!, characters!, 0), 1);
      const outputs = lstm(weights, "lstm_1", lstm(weights, "lstm", steps));
      const logits = dense(weights, "dense", np.stack(outputs, 1).reshape([-1, outputs[0]!.shape[1]!]));
      return crossEntropy(logits, next!.flatten());
    },
  },
  gpt: {
    optimizer: adam,
    loss(weights, { tokens, next }) {
      let x = np.take(weights["embedding.table"]!, tokens!, 0).add(weights["positionalEmbedding.table"]!);
      for (const path of gptBlocks) x = block(weights, path, x);
      const logits = np.matmul(layerNorm(weights, "layerNorm", x), weights["dense.kernel"]!);
      return crossEntropy(logits.reshape([-1, logits.shape[2]!]), next!.flatten());
    },
  },
};

function dense(weights: Weights, path: string, x: np.Array): np.Array {
  return np.matmul(x, weights[`${path}.kernel`]!).add(weights[`${path}.bias`]!);
}

function convolution(weights: Weights, path: string, x: np.Array, padding: "SAME" | "VALID"): np.Array {
  const bias = weights[`${path}.bias`]!.reshape([-1, 1, 1]);
  const y = nn.relu(lax.conv(x, weights[`${path}.kernel`]!, [1, 1], padding).add(bias));
  return lax.reduceWindow(y, np.max, [2, 2], [2, 2]);
}

/** Images, kernels and the dense layer after flattening (`flat`: [row, column, channel]) for channels before pixels. */
function channelsFirst(name: string, x: np.Array, flat: readonly number[]): np.Array {
  if (name === "images") return copied(x.transpose([0, 3, 1, 2]));
  if (/^conv2d.*kernel$/.test(name)) return copied(x.transpose([3, 2, 0, 1]));
  if (name !== "dense.kernel") return x;
  const [inputs = 0, outputs = 0] = x.shape;
  return copied(
    x
      .reshape([...flat, outputs])
      .transpose([2, 0, 1, 3])
      .reshape([inputs, outputs]),
  );
}

/** A copy in memory order, not a view. */
const copied = (x: np.Array): np.Array => np.array(x.ref.dataSync()).reshape(x.shape);

function crossEntropy(logits: np.Array, labels: np.Array): np.Array {
  const classes = logits.shape.at(-1)!;
  return np.mean(nn.logSoftmax(logits).mul(nn.oneHot(labels, classes)).sum(-1)).mul(-1);
}

function lstm(weights: Weights, path: string, steps: readonly np.Array[]): np.Array[] {
  const [batch = 0] = steps[0]!.shape;
  const [kernel, recurrent, bias] = ["kernel", "recurrent", "bias"].map((name) => weights[`${path}.${name}`]!);
  let hidden = np.zeros([batch, recurrent!.shape[0]!]);
  let cell = np.zeros([batch, recurrent!.shape[0]!]);
  const outputs = steps.map((x) => {
    const gates = np.matmul(x, kernel!.ref).add(np.matmul(hidden, recurrent!.ref)).add(bias!.ref);
    const [input, forget, candidate, output] = np.split(gates, 4, 1);
    cell = cell.mul(nn.sigmoid(forget!)).add(nn.sigmoid(input!).mul(np.tanh(candidate!)));
    hidden = nn.sigmoid(output!).mul(np.tanh(cell.ref));
    return hidden.ref;
  });
  for (const used of [kernel!, recurrent!, bias!, hidden, cell]) used.dispose();
  return outputs;
}

function layerNorm(weights: Weights, path: string, x: np.Array): np.Array {
  const normal = nn.standardize(x, -1, { epsilon: 1e-5 });
  return normal.mul(weights[`${path}.gamma`]!).add(weights[`${path}.beta`]!);
}

function block(weights: Weights, path: string, x: np.Array): np.Array {
  const [batch = 0, time = 0, width = 0] = x.shape;
  const parts = np.split(dense(weights, `${path}.attn.qkv`, layerNorm(weights, `${path}.ln1`, x.ref)), 3, 2);
  const [q, k, v] = parts.map((part) => part.reshape([batch, time, 4, width / 4]));
  const mixed = nn.dotProductAttention(q!, k!, v!, { isCausal: true }).reshape([batch, time, width]);
  const attended = x.add(dense(weights, `${path}.attn.out`, mixed));
  const expanded = nn.gelu(dense(weights, `${path}.mlp.fc1`, layerNorm(weights, `${path}.ln2`, attended.ref)));
  return attended.add(dense(weights, `${path}.mlp.fc2`, expanded));
}
