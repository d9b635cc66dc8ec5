/** SGD, Adam and AdamW for jax-js, over trees of weights; every argument is consumed, as is the rule there. */
import { numpy as np } from "@jax-js/jax";

// A type, not an interface: jax-js takes only those for trees.
export type Weights = { [path: string]: np.Array };

export interface Optimizer {
  readonly init: (weights: Weights) => Weights;
  readonly update: (weights: Weights, gradients: Weights, state: Weights) => { weights: Weights; state: Weights };
}

type Settings = Readonly<Record<string, number>>;

export function sgd({ learningRate = 0 }: Settings): Optimizer {
  return {
    init: (weights) => {
      for (const weight of Object.values(weights)) weight.dispose();
      return {};
    },
    update: (weights, gradients, state) => ({
      weights: mapped(weights, (weight, path) => weight.sub(gradients[path]!.mul(learningRate))),
      state,
    }),
  };
}

export function adam({ learningRate = 0, weightDecay = 0 }: Settings): Optimizer {
  const [beta1, beta2, epsilon] = [0.9, 0.999, 1e-8];
  return {
    init: (weights) => ({
      step: np.array([0]),
      ...prefixed(
        "mean ",
        mapped(weights, (weight) => np.zerosLike(weight.ref)),
      ),
      ...prefixed(
        "square ",
        mapped(weights, (weight) => np.zerosLike(weight)),
      ),
    }),
    update(weights, gradients, state) {
      const step = state["step"]!.add(1);
      const left = (beta: number) =>
        np
          .exp(step.ref.mul(Math.log(beta)))
          .mul(-1)
          .add(1);
      const [rate, scale] = [np.reciprocal(left(beta1)).mul(learningRate), np.reciprocal(left(beta2))];
      const next: Weights = {};
      const memory: Weights = {};
      for (const [path, weight] of Object.entries(weights)) {
        const gradient = gradients[path]!;
        const mean = state[`mean ${path}`]!.mul(beta1).add(gradient.ref.mul(1 - beta1));
        const square = state[`square ${path}`]!.mul(beta2).add(np.square(gradient).mul(1 - beta2));
        const root = np.sqrt(square.ref.mul(scale.ref)).add(epsilon);
        next[path] = weight.mul(1 - learningRate * weightDecay).sub(mean.ref.mul(rate.ref).div(root));
        memory[`mean ${path}`] = mean;
        memory[`square ${path}`] = square;
      }
      rate.dispose();
      scale.dispose();
      return { weights: next, state: { step, ...memory } };
    },
  };
}

const mapped = (weights: Weights, change: (weight: np.Array, path: string) => np.Array): Weights =>
  Object.fromEntries(Object.entries(weights).map(([path, weight]) => [path, change(weight, path)]));

const prefixed = (prefix: string, weights: Weights): Weights =>
  Object.fromEntries(Object.entries(weights).map(([path, weight]) => [prefix + path, weight]));
