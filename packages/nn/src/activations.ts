/** Functions without parameters that stand in a model as they are. */
import type { Tensor } from "@weft/tensor";
import { ShapeError, typeText } from "@weft/tensor";

/** max(x, 0) */
export function relu(x: Tensor): Tensor {
  return x.relu();
}

/** min(max(x, 0), 6) */
export function relu6(x: Tensor): Tensor {
  return x.relu6();
}

/** x above 0, slope · x (default 0.01) below. For another slope: `(x) => leakyRelu(x, 0.2)`. */
export function leakyRelu(x: Tensor, slope?: number): Tensor {
  return x.leakyRelu(slope);
}

/** x above 0, alpha · (e^x − 1) below; alpha is 1 unless given. */
export function elu(x: Tensor, alpha?: number): Tensor {
  return x.elu(alpha);
}

/** x above 0, alpha · (e^(x/alpha) − 1) below, so that its slope is continuous for every alpha (Barron 2017); alpha is 1 unless given. */
export function celu(x: Tensor, alpha = 1): Tensor {
  return x.div(alpha).elu(1).mul(alpha);
}

/** Self-normalising (Klambauer et al. 2017). */
export function selu(x: Tensor): Tensor {
  return x.selu();
}

/** x · Φ(x). */
export function gelu(x: Tensor): Tensor {
  return x.gelu();
}

/** `gelu` by its approximation with tanh, as GPT-2 has it. */
export function geluTanh(x: Tensor): Tensor {
  return x.gelu({ approximate: "tanh" });
}

/** x · sigmoid(x), also called swish. */
export function silu(x: Tensor): Tensor {
  return x.silu();
}

/** x · sigmoid(x): another name of `silu`. */
export const swish = silu;

/** x · tanh(softplus(x)) */
export function mish(x: Tensor): Tensor {
  return x.mish();
}

/** log(1 + e^(beta · x)) / beta; beta is 1 unless given. */
export function softplus(x: Tensor, beta?: number): Tensor {
  return x.softplus(beta);
}

/** x / (1 + |x|) */
export function softsign(x: Tensor): Tensor {
  return x.softsign();
}

/** x / 6 + ½, between 0 and 1. */
export function hardSigmoid(x: Tensor): Tensor {
  return x.hardSigmoid();
}

/** x · hardSigmoid(x) */
export function hardSwish(x: Tensor): Tensor {
  return x.hardSwish();
}

/** 1 / (1 + e^-x) */
export function sigmoid(x: Tensor): Tensor {
  return x.sigmoid();
}

/** log sigmoid(x), without overflow. */
export function logSigmoid(x: Tensor): Tensor {
  return x.logSigmoid();
}

/** min(max(x, −1), 1) */
export function hardTanh(x: Tensor): Tensor {
  return x.clip(-1, 1);
}

/** a · sigmoid(b) of the two halves a, b of the last axis, whose size is even: a gated linear unit (Dauphin et al. 2017). */
export function glu(x: Tensor): Tensor {
  const features = x.shape.at(-1) ?? 0;
  if (x.rank === 0 || features % 2 !== 0) {
    throw new ShapeError(`glu: ${typeText(x)} has no last axis of even size; give it twice the features you want`);
  }
  const [values = x, gates = x] = x.split(2, -1);
  return values.mul(gates.sigmoid());
}

export function tanh(x: Tensor): Tensor {
  return x.tanh();
}

/** e^x / Σ e^x along the last axis. */
export function softmax(x: Tensor): Tensor {
  return x.softmax();
}

/** log softmax(x) along the last axis. */
export function logSoftmax(x: Tensor): Tensor {
  return x.logSoftmax();
}

/** [batch, …] → [batch, features], row-major. */
export function flatten(x: Tensor): Tensor {
  const [batch = 1, ...rest] = x.shape;
  return x.reshape([batch, rest.reduce((size, n) => size * n, 1)]);
}
