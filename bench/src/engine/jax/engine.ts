/** jax-js's side of every workload, as its users would write it: one jitted step from weights to weights. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { blockUntilReady, defaultDevice, init, jit, nn, numpy as np, random, tree, valueAndGrad } from "@jax-js/jax";
import type { Input, Inputs } from "../inputs.ts";
import type { Engine, Run } from "../serve.ts";
import type { Network } from "./losses.ts";
import { networks } from "./losses.ts";
import type { Weights } from "./optimizers.ts";

export async function startEngine(): Promise<Engine> {
  await init("wasm");
  defaultDevice("wasm");
  const main = createRequire(import.meta.url).resolve("@jax-js/jax");
  const text = readFileSync(join(dirname(main), "../package.json"), "utf8");
  return {
    name: `jax-js ${(JSON.parse(text) as { version: string }).version}`,
    load(workload, inputs, { dropout }) {
      const network = networks[workload];
      if (network) return train(network, inputs, dropout);
      const kernel = kernels[workload.replace(/ \d+$/, "")];
      if (kernel) return kernel(inputs);
      throw new Error(`no workload is called ${workload}`);
    },
  };
}

function train(
  { loss, optimizer: createOptimizer, prepare = (_, x) => x }: Network,
  inputs: Inputs,
  dropout: boolean,
): Run {
  const prepared = (given: Readonly<Record<string, Input>>): Weights =>
    Object.fromEntries(Object.entries(given).map(([name, input]) => [name, prepare(name, arrayOf(input))]));
  const optimizer = createOptimizer(inputs.settings);
  const batch = prepared(inputs.data);
  let weights = prepared(inputs.weights);
  let state = optimizer.init(tree.ref(weights));
  let count = 0;
  const step = jit((current: Weights, memory: Weights, data: Weights, key: np.Array) => {
    const lossOf = (w: Weights, d: Weights, k: np.Array) => {
      if (dropout) return loss(w, d, (x) => dropHalf(x, k));
      k.dispose();
      return loss(w, d, (x) => x);
    };
    const [value, gradients] = valueAndGrad(lossOf)(tree.ref(current), data, key) as [np.Array, Weights];
    const next = optimizer.update(current, gradients, memory);
    return { weights: next.weights, state: next.state, loss: value };
  });
  return async (times) => {
    let value: np.Array | undefined;
    for (let i = 0; i < times; i++) {
      value?.dispose();
      ({ weights, state, loss: value } = step(weights, state, tree.ref(batch), random.key(count++)));
      // As its documentation recommends: steps would queue up and hold their memory.
      await blockUntilReady([weights, state, value]);
    }
    return (await value!.data())[0]!;
  };
}

function dropHalf(x: np.Array, key: np.Array): np.Array {
  return np.where(random.bernoulli(key, 0.5, x.shape), x.mul(2), 0);
}

const kernels: Readonly<Record<string, (inputs: Inputs) => Run>> = {
  matmul: repeated((x, w) => np.matmul(x, w)),
  "x*y+x": repeated((x, y) => x.ref.mul(y).add(x)),
  tanh: repeated((x, y) => {
    y.dispose();
    return np.tanh(x);
  }),
  "softmax of rows": repeated((x, y) => {
    y.dispose();
    return nn.softmax(x);
  }),
  sum: reduced((x) => np.sum(x)),
  "column sums": reduced((x) => np.sum(x, 0)),
};

function repeated(operation: (x: np.Array, y: np.Array) => np.Array): (inputs: Inputs) => Run {
  return ({ data }) => {
    const { x: first, ...others } = data;
    let x = arrayOf(first!);
    const y = arrayOf(Object.values(others)[0]!);
    const step = jit(operation);
    return async (times) => {
      for (let i = 0; i < times; i++) x = await blockUntilReady(step(x, y.ref));
      return firstElement(x.ref);
    };
  };
}

function reduced(operation: (x: np.Array) => np.Array): (inputs: Inputs) => Run {
  return ({ data }) => {
    const x = arrayOf(data["x"]!);
    const step = jit(operation);
    return async (times) => {
      for (let i = 1; i < times; i++) (await blockUntilReady(step(x.ref))).dispose();
      return firstElement(step(x.ref));
    };
  };
}

const firstElement = async (x: np.Array): Promise<number> => (await x.flatten().slice([0, 1]).data())[0]!;

const arrayOf = ({ shape, data }: Input): np.Array => np.array(data).reshape([...shape]);
