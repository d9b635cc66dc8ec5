/** The five networks in TensorFlow.js, by operations: its layers would add their own cost. */
import * as tf from "@tensorflow/tfjs-core";
import { gptBlocks } from "../workloads.ts";

export type Weights = Readonly<Record<string, tf.Tensor>>;
export type Batch = Readonly<Record<string, tf.Tensor>>;

export const losses: Readonly<Record<string, (weights: Weights, batch: Batch, dropout: boolean) => tf.Scalar>> = {
  mlp(weights, { images, labels }) {
    const hidden = tf.relu(dense(weights, "dense", images!));
    return crossEntropy(dense(weights, "dense_2", tf.relu(dense(weights, "dense_1", hidden))), labels!);
  },
  cnn(weights, { images, labels }, dropout) {
    const pooled = convolution(weights, "conv2d", images!, "valid");
    const hidden = tf.relu(dense(weights, "dense", tf.reshape(pooled, [pooled.shape[0], -1])));
    return crossEntropy(dense(weights, "dense_1", dropout ? tf.dropout(hidden, 0.5) : hidden), labels!);
  },
  fedcnn(weights, { images, labels }) {
    const pooled = convolution(weights, "conv2d_1", convolution(weights, "conv2d", images!, "same"), "same");
    const hidden = tf.relu(dense(weights, "dense", tf.reshape(pooled, [pooled.shape[0], -1])));
    return crossEntropy(dense(weights, "dense_1", hidden), labels!);
  },
  charlstm(weights, { characters, next }) {
    const first = lstm(weights, "lstm", lookUp(weights["embedding.table"]!, characters!));
    const logits = dense(weights, "dense", stacked(lstm(weights, "lstm_1", first)));
    return crossEntropy(logits, tf.reshape(next!, [-1]));
  },
  gpt(weights, { tokens, next }) {
    const [batch = 0, time = 0] = tokens!.shape;
    const embedded = tf.stack(lookUp(weights["embedding.table"]!, tokens!), 1);
    let x: tf.Tensor = tf.add(embedded, weights["positionalEmbedding.table"]!);
    for (const path of gptBlocks) x = block(weights, path, x);
    const normal = tf.reshape(layerNorm(weights, "layerNorm", x), [batch * time, -1]);
    return crossEntropy(tf.matMul(normal, weights["dense.kernel"]!), tf.reshape(next!, [-1]));
  },
};

function dense(weights: Weights, path: string, x: tf.Tensor): tf.Tensor {
  return tf.add(tf.matMul(x, weights[`${path}.kernel`]!), weights[`${path}.bias`]!);
}

function convolution(weights: Weights, path: string, x: tf.Tensor, pad: "same" | "valid"): tf.Tensor {
  const y = tf.conv2d(x as tf.Tensor4D, weights[`${path}.kernel`] as tf.Tensor4D, 1, pad);
  return tf.maxPool(tf.relu(tf.add<tf.Tensor4D>(y, weights[`${path}.bias`]!)), 2, 2, "valid");
}

function crossEntropy(logits: tf.Tensor, labels: tf.Tensor): tf.Scalar {
  return tf.losses.softmaxCrossEntropy(tf.oneHot(labels, logits.shape.at(-1)!), logits);
}

/** Rows of a table for every step, [batch, features] each: as products, for the gradient of gather is not in the backend. */
function lookUp(table: tf.Tensor, indices: tf.Tensor): tf.Tensor[] {
  const [characters = 0] = table.shape;
  const [batch = 0, time = 0] = indices.shape;
  const chosen = tf.cast(tf.reshape(tf.oneHot(indices as tf.Tensor2D, characters), [batch * time, -1]), "float32");
  return tf.unstack(tf.reshape(tf.matMul(chosen, table), [batch, time, -1]), 1);
}

/** [batch, features] of every step, as [batch · time, features] in the order of the targets. */
const stacked = (steps: tf.Tensor[]): tf.Tensor => tf.reshape(tf.stack(steps, 1), [-1, steps[0]!.shape.at(-1)!]);

function lstm(weights: Weights, path: string, steps: readonly tf.Tensor[]): tf.Tensor[] {
  const [batch = 0] = steps[0]!.shape;
  const kernel = tf.concat([weights[`${path}.kernel`]!, weights[`${path}.recurrent`]!], 0);
  let hidden: tf.Tensor = tf.zeros([batch, kernel.shape[1]! / 4]);
  let cell = hidden;
  return steps.map((x) => {
    const gates = tf.add(tf.matMul(tf.concat([x, hidden], 1), kernel), weights[`${path}.bias`]!);
    const [input, forget, candidate, output] = tf.split(gates, 4, 1);
    cell = tf.add(tf.mul(cell, tf.sigmoid(forget!)), tf.mul(tf.sigmoid(input!), tf.tanh(candidate!)));
    hidden = tf.mul(tf.tanh(cell), tf.sigmoid(output!));
    return hidden;
  });
}

function layerNorm(weights: Weights, path: string, x: tf.Tensor): tf.Tensor {
  const { mean, variance } = tf.moments(x, -1, true);
  const normal = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5)));
  return tf.add(tf.mul(normal, weights[`${path}.gamma`]!), weights[`${path}.beta`]!);
}

function block(weights: Weights, path: string, x: tf.Tensor): tf.Tensor {
  const [batch = 0, time = 0, width = 0] = x.shape;
  const rows = (y: tf.Tensor) => tf.reshape(y, [batch * time, -1]);
  const heads = tf.split(dense(weights, `${path}.attn.qkv`, rows(layerNorm(weights, `${path}.ln1`, x))), 3, 1);
  const [q, k, v] = heads.map((part) => tf.transpose(tf.reshape(part, [batch, time, 4, width / 4]), [0, 2, 1, 3]));
  const scores = tf.mul(tf.matMul(q!, k!, false, true), 1 / Math.sqrt(width / 4));
  const mixed = tf.matMul(tf.softmax(tf.add(scores, causalMask(time))), v!);
  const joined = dense(weights, `${path}.attn.out`, rows(tf.transpose(mixed, [0, 2, 1, 3])));
  const attended = tf.add(x, tf.reshape(joined, x.shape));
  const expanded = gelu(dense(weights, `${path}.mlp.fc1`, rows(layerNorm(weights, `${path}.ln2`, attended))));
  return tf.add(attended, tf.reshape(dense(weights, `${path}.mlp.fc2`, expanded), x.shape));
}

function gelu(x: tf.Tensor): tf.Tensor {
  const inner = tf.mul(Math.sqrt(2 / Math.PI), tf.add(x, tf.mul(0.044715, tf.mul(x, tf.mul(x, x)))));
  return tf.mul(tf.mul(0.5, x), tf.add(1, tf.tanh(inner)));
}

let mask: tf.Tensor | undefined;

/** −10⁹ where a step would look ahead; made once. */
function causalMask(time: number): tf.Tensor {
  mask ??= tf.keep(tf.mul(tf.sub(1, tf.linalg.bandPart(tf.ones([time, time]), -1, 0)), -1e9));
  return mask;
}
