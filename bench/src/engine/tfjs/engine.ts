/** TensorFlow.js's side of every workload, as its users would write it, with what it lacks made of its own pieces. */
import * as tf from "@tensorflow/tfjs-core";
import type { Input, Inputs } from "../inputs.ts";
import type { Engine, Run } from "../serve.ts";
import { startBackend } from "./backend.ts";
import { losses } from "./losses.ts";
import type { Batch, Weights } from "./losses.ts";

export async function startEngine({ tuned }: { readonly tuned: boolean }): Promise<Engine> {
  await startBackend({ transposesFirst: tuned });
  return {
    name: `tfjs-backend-wasm ${tf.version_core}`,
    load(workload, inputs, { dropout }) {
      const loss = losses[workload];
      if (loss) return train(workload, inputs, (weights, batch) => loss(weights, batch, dropout));
      const kernel = kernels[workload.replace(/ \d+$/, "")];
      if (kernel) return kernel(inputs);
      throw new Error(`no workload is called ${workload}`);
    },
  };
}

const optimizers: Readonly<Record<string, (rate: number) => tf.Optimizer>> = {
  cnn: (rate) => tf.train.adam(rate),
  gpt: (rate) => tf.train.adam(rate, 0.9, 0.999, 1e-8),
};

function train(workload: string, inputs: Inputs, loss: (weights: Weights, batch: Batch) => tf.Scalar): Run {
  const { learningRate = 0, weightDecay = 0 } = inputs.settings;
  const batch = tensorsOf(inputs.data);
  const weights = Object.fromEntries(
    Object.entries(tensorsOf(inputs.weights)).map(([path, value]) => [path, tf.variable(value)]),
  );
  const optimizer = (optimizers[workload] ?? tf.train.sgd)(learningRate);
  const step = () => {
    if (weightDecay > 0) {
      // It has no AdamW: weights decay before Adam's step, which is the same.
      tf.tidy(() => {
        for (const variable of Object.values(weights))
          variable.assign(tf.mul(variable, 1 - learningRate * weightDecay));
      });
    }
    const value = optimizer.minimize(() => loss(weights, batch), true);
    if (!value) throw new Error("minimize was asked for the cost");
    return value;
  };
  return (count) => {
    for (let i = 1; i < count; i++) step().dispose();
    const last = step();
    const value = last.dataSync()[0]!;
    last.dispose();
    return value;
  };
}

const kernels: Readonly<Record<string, (inputs: Inputs) => Run>> = {
  matmul: repeated((x, { w }) => tf.matMul(x, w!)),
  "x*y+x": repeated((x, { y }) => tf.add(tf.mul(x, y!), x)),
  tanh: repeated((x) => tf.tanh(x)),
  "softmax of rows": repeated((x) => tf.softmax(x)),
  sum: reduced((x) => tf.sum(x)),
  "column sums": reduced((x) => tf.sum(x, 0)),
};

function repeated(operation: (x: tf.Tensor, others: Batch) => tf.Tensor): (inputs: Inputs) => Run {
  return ({ data }) => {
    const { x: first, ...others } = tensorsOf(data);
    let x = first!;
    return (count) => {
      for (let i = 0; i < count; i++) {
        const next = tf.tidy(() => operation(x, others));
        x.dispose();
        x = next;
      }
      return firstElement(x);
    };
  };
}

function reduced(operation: (x: tf.Tensor) => tf.Tensor): (inputs: Inputs) => Run {
  return ({ data }) => {
    const x = tensorsOf(data)["x"]!;
    return (count) => {
      for (let i = 1; i < count; i++) tf.tidy(() => operation(x)).dispose();
      return tf.tidy(() => firstElement(operation(x)));
    };
  };
}

const firstElement = (x: tf.Tensor) => tf.tidy(() => tf.slice(tf.reshape(x, [-1]), 0, 1).dataSync()[0]!);

const tensorsOf = (inputs: Readonly<Record<string, Input>>): Record<string, tf.Tensor> =>
  Object.fromEntries(
    Object.entries(inputs).map(([name, { shape, data }]) => [
      name,
      tf.tensor(data, [...shape], data instanceof Float32Array ? "float32" : "int32"),
    ]),
  );
