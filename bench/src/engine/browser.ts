/** A page's Worker that trains a network: what `size.ts` weighs. */
import { apply, dense, initialize, relu, sequential, softmaxCrossEntropy } from "@weft/nn";
import type { Parameters } from "@weft/nn";
import { adam } from "@weft/optim";
import type { Tensor } from "@weft/tensor";
import { compile, key, setBackend, valueAndGrad } from "@weft/tensor";
import { createWasmBackend } from "@weft/wasm";

setBackend(createWasmBackend({ threads: "auto" }));
const model = sequential(dense({ features: 128 }), relu, dense({ features: 10 }));
const optimizer = adam({ learningRate: 1e-3 });
let weights = Object.entries(initialize(model, key(0), { shape: [32, 784], dtype: "f32" }));
let state = optimizer.init(weights.map(([, weight]) => weight));

const step = compile(
  (parameters: Parameters, memory: readonly Tensor[], images: Tensor, labels: Tensor) => {
    const lossOf = (p: Parameters) => softmaxCrossEntropy(apply(model, p, images), labels);
    const [loss, gradients] = valueAndGrad(lossOf)(parameters);
    return { loss, ...optimizer.update(Object.values(parameters), Object.values(gradients), memory) };
  },
  { donate: [0, 1] },
);

export function train(images: Tensor, labels: Tensor): Tensor {
  const next = step(Object.fromEntries(weights), state, images, labels);
  weights = weights.map(([path], i) => [path, next.parameters[i]!]);
  state = next.state;
  return next.loss;
}
