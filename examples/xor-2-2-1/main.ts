/** Exclusive or with the smallest network that can do it, 2-2-1, from a hundred starting points at once. */
import type { Parameters } from "@weft/nn";
import { apply, binaryCrossEntropy, dense, initialize, sequential, tanh } from "@weft/nn";
import { adam } from "@weft/optim";
import type { Tensor } from "@weft/tensor";
import { arange, foldIn, key, mapTree, setBackend, tensor, vmap } from "@weft/tensor";
import { createWasmBackend } from "@weft/wasm";
import { mustReach } from "../shared/goal.ts";
import type { Point } from "../shared/plot.ts";
import { plot } from "../shared/plot.ts";
import { saveFile } from "../shared/saveFile.ts";
import { startTraining, trainStep } from "../shared/trainStep.ts";

setBackend(createWasmBackend());

const rows: readonly Point[] = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
];
const targets = [0, 1, 1, 0];
const x = tensor(rows); // [4, 2]
const y = tensor(targets).expandDims(1); // [4, 1]

const model = sequential(dense({ features: 2 }), tanh, dense({ features: 1 }));

// vmap turns a function of one network into a function of a hundred: parameters get a leading axis, [100, …].
const starts = 100;
const parameters = vmap((seed: Tensor) => initialize(model, foldIn(key(1), seed), x))(arange(starts));
const lossOf = (weights: Parameters) => binaryCrossEntropy(apply(model, weights, x), y);
const losses = vmap(lossOf);

const optimizer = adam({ learningRate: 0.05 });
const step = trainStep(optimizer, (weights) => losses(weights).sum()); // each loss depends on its own network alone
let training = startTraining(parameters, optimizer);
for (let i = 0; i < 1000; i++) [training] = step(training);

const final = await losses(training.parameters).data();
const solved = final.filter((loss) => loss < 0.1).length;
const stuck = new Set(Array.from(final.filter((loss) => loss >= 0.1).sort(), (loss) => loss.toFixed(2)));
console.log(`${solved} of ${starts} starts solve it; the others are stuck at a loss of ${[...stuck].join(" or ")}`);

// One network again: the first that solves it, cut out of the hundred.
const first = final.findIndex((loss) => loss < 0.1);
const network = mapTree(training.parameters, (stacked) => stacked.at(first));
const outputs = await apply(model, network, x).sigmoid().data();
rows.forEach(([a, b], i) => console.log(`${a} xor ${b} = ${outputs[i]?.toFixed(3)}`));
saveFile(
  "xor-2-2-1/regions.svg",
  plot({
    title: "Exclusive or with two hidden neurons",
    x: "first input",
    y: "second input",
    series: [0, 1].map((target) => ({
      name: `xor = ${target}`,
      points: rows.filter((_, i) => targets[i] === target),
      as: "points",
    })),
    regions: (points) => apply(model, network, tensor(points)).greater(0).dataSync(),
    include: { x: [-0.5, 1.5], y: [-0.5, 1.5] },
  }),
);
mustReach("starts that solve it, of 100", solved, { atLeast: 30 });
mustReach(
  "largest error of the network shown",
  Math.max(...outputs.map((output, i) => Math.abs(output - (targets[i] ?? 0)))),
  { atMost: 0.1 },
);
