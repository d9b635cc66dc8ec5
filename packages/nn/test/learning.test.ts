/** Small problems learned from end to end on the reference backend. */
import { expect, test } from "vitest";
import type { Tensor } from "@weft/tensor";
import { compile, foldIn, key, tensor, valueAndGrad } from "@weft/tensor";
import type { Dataset } from "@weft/data";
import { assembleBatch, digits, shuffledSlice, xor } from "@weft/data";
import type { LayerLike } from "@weft/nn";
import {
  accuracy,
  apply,
  binaryCrossEntropy,
  dense,
  dropout,
  flatten,
  initialize,
  relu,
  sequential,
  softmaxCrossEntropy,
  tanh,
} from "@weft/nn";
import type { Optimizer } from "@weft/optim";
import { adam, sgd } from "@weft/optim";

interface Training {
  readonly optimizer: Optimizer;
  readonly loss: (predictions: Tensor, targets: Tensor) => Tensor;
  readonly batchSize: number;
  readonly epochs: number;
}

function batchTensors(dataset: Dataset, indices: ArrayLike<number>): [x: Tensor, y: Tensor] {
  const { fields } = assembleBatch(dataset, indices, indices.length);
  const [x, y] = dataset.contract.fields.map(({ shape }, f) =>
    tensor(fields[f] ?? [], { shape: [indices.length, ...shape] }),
  );
  return [x as Tensor, y as Tensor];
}

/** The last loss, and the accuracy on `test`. */
function learn(model: LayerLike, data: { train: Dataset; test: Dataset }, options: Training) {
  const { optimizer, loss, batchSize, epochs } = options;
  const { train, test: held } = data;
  const everything = Array.from({ length: held.size }, (_, i) => i);
  const [images, labels] = batchTensors(held, everything);
  const named = initialize(model, key(1), images);
  const names = Object.keys(named);
  const record = (values: readonly Tensor[]) => Object.fromEntries(names.map((name, i) => [name, values[i] as Tensor]));

  const lossOf = (weights: Record<string, Tensor>, x: Tensor, y: Tensor, random: Tensor) =>
    loss(apply(model, weights, x, { training: true, key: random }), y);
  const step = compile(
    (parameters: readonly Tensor[], state: readonly Tensor[], [x, y, random]: readonly [Tensor, Tensor, Tensor]) => {
      const [value, gradient] = valueAndGrad(lossOf)(record(parameters), x, y, random);
      const gradients = names.map((name) => gradient[name] as Tensor);
      return { value, ...optimizer.update(parameters, gradients, state) };
    },
  );
  let parameters = Object.values(named);
  let state = optimizer.init(parameters);
  let last = NaN;
  const perEpoch = Math.floor(train.size / batchSize);
  for (let round = 0; round < epochs * perEpoch; round++) {
    const [epoch, start] = [Math.floor(round / perEpoch), (round % perEpoch) * batchSize];
    const [x, y] = batchTensors(train, shuffledSlice(train.size, 0, { epoch, start, count: batchSize }));
    const result = step(parameters, state, [x, y, foldIn(key(2), round)]);
    last = result.value.itemSync();
    ({ parameters, state } = result);
  }
  return { loss: last, accuracy: accuracy(apply(model, record(parameters), images), labels).itemSync() };
}

test("exclusive or is learned without an error", async () => {
  const model = sequential(dense({ features: 8 }), tanh, dense({ features: 1 }));
  const optimizer = sgd({ learningRate: 0.5, momentum: 0.9 });
  const result = learn(model, await xor().load(), { optimizer, loss: binaryCrossEntropy, batchSize: 4, epochs: 200 });
  expect(result.accuracy).toBe(1);
  expect(result.loss).toBeLessThan(0.02);
});

test("digits are told apart on examples that were held back", async () => {
  const model = sequential(flatten, dense({ features: 32 }), relu, dropout({ rate: 0.1 }), dense({ features: 10 }));
  const optimizer = adam({ learningRate: 0.01 });
  const result = learn(model, await digits().load(), {
    optimizer,
    loss: softmaxCrossEntropy,
    batchSize: 64,
    epochs: 8,
  });
  expect(result.accuracy).toBeGreaterThan(0.94);
});
