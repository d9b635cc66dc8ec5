/** Functions without parameters that stand in a model as they are. */
import type { Tensor } from "@weft/tensor";

/** max(x, 0) */
export function relu(x: Tensor): Tensor {
  return x.relu();
}

/** 1 / (1 + e^-x) */
export function sigmoid(x: Tensor): Tensor {
  return x.sigmoid();
}

export function tanh(x: Tensor): Tensor {
  return x.tanh();
}

/** e^x / Σ e^x along the last axis. */
export function softmax(x: Tensor): Tensor {
  return x.softmax();
}

/** [batch, …] → [batch, features], row-major. */
export function flatten(x: Tensor): Tensor {
  const [batch = 1, ...rest] = x.shape;
  return x.reshape([batch, rest.reduce((size, n) => size * n, 1)]);
}
