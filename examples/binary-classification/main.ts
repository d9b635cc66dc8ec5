/** Binary classification: ten features, ten hidden neurons, one logit, trained with Adam and measured on held-out examples. */
import type { Parameters } from "@weft/nn";
import { apply, binaryAccuracy, binaryCrossEntropy, dense, initialize, relu, sequential } from "@weft/nn";
import { adam } from "@weft/optim";
import type { Tensor } from "@weft/tensor";
import { compile, foldIn, key, normal, permutation, randomInt, realize, setBackend, tensor } from "@weft/tensor";
import { createWasmBackend } from "@weft/wasm";
import { mustReach } from "../shared/goal.ts";
import type { Point } from "../shared/plot.ts";
import { plot } from "../shared/plot.ts";
import { saveFile } from "../shared/saveFile.ts";
import { startTraining, trainStep } from "../shared/trainStep.ts";

setBackend(createWasmBackend());

// Each class is two clouds in ten dimensions, with centres drawn at random: one plane cannot part four clouds.
const clouds = 4;
const centres = normal(key(1), [clouds, 10], { std: 1.2 });
async function examples(from: Tensor, count: number) {
  const cloud = randomInt(foldIn(from, 0), [count], { high: clouds });
  const x = centres.take(cloud).add(normal(foldIn(from, 1), [count, 10])); // [count, 10]
  const y = cloud.rem(2).cast("f32"); // [count]
  await realize(x, y); // computed once, here
  return { x, y };
}
const train = await examples(key(2), 2000);
const test = await examples(key(3), 1000);

const network = sequential(dense({ features: 10 }), relu, dense({ features: 1 }));
const logistic = sequential(dense({ features: 1 })); // the plane, to compare with

async function fitAndMeasure(model: typeof network, name: string) {
  const optimizer = adam({ learningRate: 0.01 });
  const step = trainStep(optimizer, (weights, rows: Tensor) =>
    binaryCrossEntropy(apply(model, weights, train.x.take(rows)), train.y.take(rows)),
  );
  const measure = compile((weights: Parameters) => {
    const logits = apply(model, weights, test.x);
    return { loss: binaryCrossEntropy(logits, test.y), accuracy: binaryAccuracy(logits, test.y) };
  });

  let training = startTraining(initialize(model, key(4), train.x), optimizer);
  const losses: Point[] = [];
  for (let epoch = 1; epoch <= 20; epoch++) {
    const order = await permutation(foldIn(key(5), epoch), 2000).data();
    for (let start = 0; start < 2000; start += 50) {
      [training] = step(training, tensor(order.subarray(start, start + 50)));
    }
    losses.push([epoch, await measure(training.parameters).loss.item()]);
  }
  const accuracy = await measure(training.parameters).accuracy.item();
  console.log(`${name}: test loss ${losses.at(-1)?.[1].toFixed(4)}, accuracy ${(100 * accuracy).toFixed(1)} %`);
  return { name, accuracy, points: losses };
}

const plane = await fitAndMeasure(logistic, "10-1, a plane");
const net = await fitAndMeasure(network, "10-10-1");
saveFile(
  "binary-classification/loss.svg",
  plot({ title: "Loss on the test set", x: "epoch", y: "cross-entropy", series: [plane, net], include: { y: [0] } }),
);
mustReach("test accuracy of 10-10-1", net.accuracy, { atLeast: 0.95 });
