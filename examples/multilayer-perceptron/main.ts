/** A multilayer perceptron of any sizes, with ReLU or sigmoid, that tells the arms of a spiral apart. */
import { parseArgs } from "node:util";
import { accuracy, apply, dense, initialize, relu, sequential, sigmoid, softmaxCrossEntropy } from "@weft/nn";
import { adam } from "@weft/optim";
import type { Tensor } from "@weft/tensor";
import { key, normal, setBackend, tensor } from "@weft/tensor";
import { createWasmBackend } from "@weft/wasm";
import { mustReach } from "../shared/goal.ts";
import type { Point } from "../shared/plot.ts";
import { plot, sparkline } from "../shared/plot.ts";
import { saveFile } from "../shared/saveFile.ts";
import { startTraining, trainStep } from "../shared/trainStep.ts";

setBackend(createWasmBackend());
const { values: options } = parseArgs({
  options: { sizes: { type: "string", default: "2,32,32,3" }, activation: { type: "string", default: "relu" } },
});

const sizes = options.sizes.split(",").map(Number);
const activation = [relu, sigmoid].find(({ name }) => name === options.activation);
if (!activation) throw new Error(`expected --activation relu or sigmoid, got ${options.activation}`);

/** Dense layers of these sizes, inputs first and outputs last, with the activation between them. */
const perceptron = (sizes: readonly number[]) =>
  sequential(...sizes.slice(1).flatMap((features, i) => [...(i > 0 ? [activation] : []), dense({ features })]));

// Three arms of a spiral, 100 points each with a little noise: no line divides them.
const [arms, perArm] = [3, 100];
const labels = Int32Array.from({ length: arms * perArm }, (_, i) => Math.floor(i / perArm));
const jitter = await normal(key(1), [arms * perArm], { std: 0.1 }).data();
const points = Array.from(labels, (arm, i): Point => {
  const radius = (i % perArm) / perArm;
  const angle = (2 * Math.PI * arm) / arms + 4 * radius + (jitter[i] ?? 0);
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
});
const x = tensor(points); // [300, 2]
const y = tensor(labels); // [300]

const model = perceptron(sizes);
const optimizer = adam({ learningRate: 0.02 });
const step = trainStep(optimizer, (weights) => softmaxCrossEntropy(apply(model, weights, x), y));
let training = startTraining(initialize(model, key(2), x), optimizer);

const losses: number[] = [];
for (let epoch = 1; epoch <= 400; epoch++) {
  const [next, loss] = step(training);
  training = next;
  losses.push(loss.itemSync());
}
console.log(`${sizes.join("-")} with ${activation.name}, ${losses.length} steps of Adam`);
console.log(`loss ${losses[0]?.toFixed(3)} ${sparkline(losses, 50)} ${losses.at(-1)?.toFixed(3)}`);

const classify = (inputs: Tensor) => apply(model, training.parameters, inputs);
saveFile(
  "multilayer-perceptron/regions.svg",
  plot({
    title: `${sizes.join("-")} with ${activation.name}`,
    x: "x",
    y: "y",
    series: Array.from({ length: arms }, (_, arm) => ({
      name: `arm ${arm}`,
      points: points.slice(arm * perArm, (arm + 1) * perArm),
      as: "points" as const,
    })),
    regions: (points) => classify(tensor(points)).argmax({ axis: -1 }).dataSync(),
  }),
);
mustReach("accuracy", await accuracy(classify(x), y).item(), { atLeast: 0.97 });
