/** Training steps: loss, gradients and optimiser compiled into one, weights and optimiser state updated in place. */
import type { Parameters } from "@weft/nn";
import type { Tensor } from "@weft/tensor";
import { adopt, compile, key, tensor, valueAndGrad } from "@weft/tensor";
import type { Input, Inputs } from "../inputs.ts";
import type { Run } from "../serve.ts";
import type { Network } from "./losses.ts";

export function train(
  { loss, optimizer: createOptimizer }: Network,
  inputs: Inputs,
  options: { dropout: boolean },
): Run {
  const optimizer = createOptimizer(inputs.settings);
  const names = Object.keys(inputs.weights);
  const data = tensorsOf(inputs.data);
  let parameters = tensorsOf(inputs.weights);
  let state = optimizer.init(Object.values(parameters));
  let count = 0;
  const step = compile(
    (current: Parameters, memory: readonly Tensor[], batch: Parameters, random: Tensor) => {
      const [value, gradients] = valueAndGrad((weights: Parameters) =>
        loss(weights, batch, { training: options.dropout, key: random }),
      )(current);
      const listOf = (tree: Parameters) => names.map((path) => tree[path]!);
      const next = optimizer.update(listOf(current), listOf(gradients), memory);
      const updated = Object.fromEntries(names.map((path, i) => [path, next.parameters[i]!]));
      return { parameters: updated, state: next.state, loss: value };
    },
    { donate: [0, 1] },
  );
  return (times) => {
    let value = tensor(0);
    for (let i = 0; i < times; i++) {
      ({ parameters, state, loss: value } = step(parameters, state, data, key(count++)));
    }
    return value.itemSync();
  };
}

export const tensorsOf = (inputs: Readonly<Record<string, Input>>): Parameters =>
  Object.fromEntries(
    Object.entries(inputs).map(([name, { shape, data }]) => [
      name,
      adopt(data, { shape, dtype: data instanceof Float32Array ? "f32" : "i32" }),
    ]),
  );
