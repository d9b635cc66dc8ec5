/** Operations of the golden vectors that differentiate inside: gradient norms, Hessian products, per-example gradients. */
import type { Tensor } from "@weft/tensor";
import { concat, conv2d, grad, maximum, minimum, softplus, valueAndGrad, vmap } from "@weft/tensor";
import { hvp } from "@weft/tensor/jvp";
import { perExampleGradients } from "@weft/tensor/perExample";
import type { Operation } from "./cases.ts";
import { given } from "./cases.ts";
import { crossEntropy } from "./layers.ts";
import { operand } from "./operations.ts";

type Layers = readonly Tensor[];

const mlpLoss = ([w1, b1, w2, b2]: Layers, x: Tensor, labels: Tensor): Tensor => {
  const hidden = x.matmul(operand(w1)).add(operand(b1)).tanh();
  return crossEntropy(hidden.matmul(operand(w2)).add(operand(b2)), labels);
};
const total = (terms: readonly Tensor[]): Tensor => terms.reduce((sum, term) => sum.add(term));
const flattened = (tensors: readonly Tensor[]): Tensor => concat(tensors.map((x) => x.reshape([-1])));

export const higher: Readonly<Record<string, Operation>> = {
  mlp_grad_norm: ([x, labels, ...parameters]) => {
    const [loss, gradient] = valueAndGrad(mlpLoss)(parameters, operand(x), operand(labels));
    return { output: total(gradient.map((g) => g.square().sum())), extra: { loss } };
  },
  mlp_hvp: ([x, labels, ...rest]) => {
    const [parameters, direction] = [rest.slice(0, 4), rest.slice(4)];
    const loss = (at: Layers) => mlpLoss(at, operand(x), operand(labels));
    const product = hvp(loss)(parameters, direction);
    const vHv = total(product.map((g, i) => g.mul(operand(direction[i])).sum()));
    return { output: flattened(product), extra: { vHv } };
  },
  input_gradient_penalty: ([x, w1, b1, w2]) => {
    const critic = (row: Tensor) =>
      softplus(row.matmul(operand(w1)).add(operand(b1)))
        .matmul(operand(w2))
        .sum();
    return vmap(grad(critic))(operand(x)).norm({ axis: -1 }).sub(1).square().mean();
  },
  per_example_grads: ([images, labels, ...parameters], { act, pool, clip }) => {
    if (given(pool, "pool") !== 0) throw new Error("no case with pooling is known");
    const loss = ([k, kb, w, wb]: Layers, image: Tensor, label: Tensor): Tensor => {
      const features = conv2d(image.expandDims(0), operand(k)).add(operand(kb));
      const active = act === "tanh" ? features.tanh() : features.relu();
      const logits = active.reshape([1, -1]).matmul(operand(w)).add(operand(wb));
      return crossEntropy(logits, label.expandDims(0));
    };
    const examples = perExampleGradients(loss)(parameters, operand(images), operand(labels));
    const rows = concat(
      examples.stacked().map((stack) => stack.reshape([stack.shape[0] ?? 0, -1])),
      1,
    );
    const { norms, values: losses } = examples;
    const factors = minimum(maximum(norms, 1e-30).reciprocal().mul(given(clip, "clip")), 1);
    const clipped = flattened(examples.weightedSum(factors));
    return { output: rows, extra: { norms, clipped_sum: clipped, losses } };
  },
};
