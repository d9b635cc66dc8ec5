/**
 * Training steps a second of the MNIST network of the Keras example: convolution 3×3×32, ReLU, max-pool 2, dense 128, ReLU,
 * dropout ½, dense 10, softmax cross-entropy, batch 32, Adam. Ours against tfjs on WebAssembly, one thread each.
 */
import {
  apply,
  conv2d,
  dense,
  dropout,
  flatten,
  initialize,
  maxPool2d,
  relu,
  sequential,
  softmaxCrossEntropy,
} from "@weft/nn";
import type { Parameters } from "@weft/nn";
import { adam } from "@weft/optim";
import type * as tfjs from "@tensorflow/tfjs-core";
import type { Tensor } from "@weft/tensor";
import { compile, key, realizeSync, setBackend, tensor, valueAndGrad } from "@weft/tensor";
import { createWasmBackend } from "@weft/wasm";
import type { Figure } from "./figure.ts";
import { compare, uniformFloats } from "./figure.ts";
import { startTfjs, tfjsName, withTransposesFirst } from "./tfjs.ts";

const batch = 32;
const learningRate = 1e-3;
const lossTolerance = 1e-3;
/** Steps whose losses are compared, without dropout, before time is taken. */
const comparedSteps = 5;

interface Batch {
  readonly images: Float32Array;
  readonly labels: Int32Array;
}

/** One training step; the loss is read each time, as a training loop that shows it would. */
type Step = (options: { readonly dropout: boolean }) => number;

export async function* engineCnn(filter: string): AsyncIterable<Figure> {
  const [asShipped, tuned] = ["cnn training step", "cnn training step, peer tuned"];
  if (!tuned.includes(filter)) return;
  const examples: Batch = {
    images: uniformFloats(batch * 28 * 28, 1).map(Math.abs),
    labels: Int32Array.from({ length: batch }, (_, i) => i % 10),
  };
  setBackend(createWasmBackend());
  const weights = initialWeights();
  const [ours, theirs] = [weftStep(weights, examples), await tfjsStep(weights, examples)];
  for (let i = 0; i < comparedSteps; i++) {
    const losses = [ours({ dropout: false }), theirs({ dropout: false })] as const;
    process.stderr.write(`  loss ${i}: ${losses.map((loss) => loss.toFixed(6)).join(" and ")}\n`);
    if (!(Math.abs(losses[0] - losses[1]) <= lossTolerance)) {
      throw new Error(`losses differ at step ${i}: ${losses.join(" and ")}, expected within ${lossTolerance}`);
    }
  }
  const turns = { unit: "steps/s", work: 1, ours: () => ours({ dropout: true }) };
  if (asShipped.includes(filter)) {
    yield compare({ ...turns, name: asShipped, vs: tfjsName, theirs: () => theirs({ dropout: true }) });
  }
  yield compare({
    ...turns,
    name: tuned,
    vs: `${tfjsName} with transposes before products`,
    theirs: () => withTransposesFirst(() => theirs({ dropout: true })),
  });
}

const model = sequential(
  conv2d({ features: 32, kernel: 3 }),
  relu,
  maxPool2d({ window: 2 }),
  flatten,
  dense({ features: 128 }),
  relu,
  dropout({ rate: 0.5 }),
  dense({ features: 10 }),
);

type Weights = Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float32Array }>>;

function initialWeights(): Weights {
  const parameters = initialize(model, key(0), { shape: [batch, 28, 28, 1], dtype: "f32" });
  realizeSync(...Object.values(parameters));
  return Object.fromEntries(
    Object.entries(parameters).map(([path, value]) => [
      path,
      { shape: value.shape, data: value.dataSync() as Float32Array },
    ]),
  );
}

function weftStep(weights: Weights, examples: Batch): Step {
  const optimizer = adam({ learningRate });
  const images = tensor(examples.images, { shape: [batch, 28, 28, 1] });
  const labels = tensor(examples.labels, { dtype: "i32" });
  let parameters: Parameters = Object.fromEntries(
    Object.entries(weights).map(([path, { shape, data }]) => [path, tensor(data, { shape })]),
  );
  let state = optimizer.init(Object.values(parameters));
  const names = Object.keys(parameters);
  const stepWith = (training: boolean) =>
    compile(
      (current: Parameters, memory: Tensor[], x: Tensor, y: Tensor, random: Tensor) => {
        const loss = (p: Parameters) => softmaxCrossEntropy(apply(model, p, x, { training, key: random }), y);
        const [value, gradients] = valueAndGrad(loss)(current);
        const listOf = (tree: Parameters) => names.map((path) => tree[path]!);
        const next = optimizer.update(listOf(current), listOf(gradients), memory);
        const updated = Object.fromEntries(names.map((path, i) => [path, next.parameters[i]!]));
        return { parameters: updated, state: next.state, loss: value };
      },
      { donate: [0, 1] },
    );
  const [plain, withDropout] = [stepWith(false), stepWith(true)];
  let count = 0;
  return ({ dropout }) => {
    const result = (dropout ? withDropout : plain)(parameters, state, images, labels, key(count++));
    ({ parameters, state } = result);
    return result.loss.itemSync();
  };
}

async function tfjsStep(weights: Weights, examples: Batch): Promise<Step> {
  const tf = await startTfjs();
  const variable = (path: string) => {
    const { shape, data } = weights[path]!;
    return tf.variable(tf.tensor(data, [...shape]));
  };
  const [kernel, bias] = [variable("conv2d.kernel"), variable("conv2d.bias")];
  const [hidden, hiddenBias] = [variable("dense.kernel"), variable("dense.bias")];
  const [output, outputBias] = [variable("dense_1.kernel"), variable("dense_1.bias")];
  const images = tf.tensor4d(examples.images, [batch, 28, 28, 1]);
  const labels = tf.oneHot(tf.tensor1d(examples.labels, "int32"), 10);
  const optimizer = tf.train.adam(learningRate);
  return ({ dropout }) => {
    const loss = optimizer.minimize(() => {
      const convolved = tf.add<tfjs.Tensor4D>(
        tf.conv2d(images, kernel as tfjs.Variable<tfjs.Rank.R4>, 1, "valid"),
        bias,
      );
      const pooled = tf.reshape(tf.maxPool(tf.relu(convolved), 2, 2, "valid"), [batch, -1]);
      const dense = tf.relu(tf.add(tf.matMul(pooled, hidden), hiddenBias));
      const logits = tf.add(tf.matMul(dropout ? tf.dropout(dense, 0.5) : dense, output), outputBias);
      return tf.losses.softmaxCrossEntropy<tfjs.Tensor, tfjs.Scalar>(labels, logits);
    }, true);
    if (!loss) throw new Error("minimize was asked for the cost");
    const value = loss.dataSync()[0]!;
    loss.dispose();
    return value;
  };
}
