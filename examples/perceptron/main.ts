/** The perceptron (Rosenblatt 1958): one neuron with a step for its activation, and the rule that corrects its mistakes. */
import type { Tensor } from "@weft/tensor";
import { compile, key, setBackend, tensor, uniform, zeros } from "@weft/tensor";
import { createWasmBackend } from "@weft/wasm";
import { mustReach } from "../shared/goal.ts";
import { plot } from "../shared/plot.ts";
import { saveFile } from "../shared/saveFile.ts";

setBackend(createWasmBackend());

// Points in a square, on one side of a line or the other; those close to the line are left out.
const side = ([x, y]: readonly number[]) => 0.8 * (x ?? 0) - 0.6 * (y ?? 0) - 0.1;
const square = await uniform(key(5), [120, 2]).data();
const points = Array.from({ length: 120 }, (_, i) => [...square.subarray(2 * i, 2 * i + 2)]).filter(
  (point) => Math.abs(side(point)) > 0.02,
);
const examples = points.map((point) => ({ x: tensor(point), target: tensor(side(point) > 0 ? 1 : 0) }));

interface Neuron {
  readonly weights: Tensor; // [2]
  readonly bias: Tensor; // []
}

const step = (x: Tensor) => x.greater(0).cast("f32");
const output = ({ weights, bias }: Neuron, x: Tensor) => step(x.matmul(weights).add(bias));

/** The perceptron rule: an answer that is wrong moves the weights towards the example, or away from it. */
const learn = compile((neuron: Neuron, x: Tensor, target: Tensor) => {
  const error = target.sub(output(neuron, x)); // 1, 0 or −1
  const moved = { weights: neuron.weights.add(x.mul(error)), bias: neuron.bias.add(error) };
  return [moved, error.abs()] as const;
});

let neuron: Neuron = { weights: zeros([2]), bias: zeros([]) };
const errors: number[] = [];
for (let epoch = 1; epoch <= 100 && errors.at(-1) !== 0; epoch++) {
  let wrong = 0;
  for (const { x, target } of examples) {
    const [moved, error] = learn(neuron, x, target);
    neuron = moved;
    wrong += error.itemSync();
  }
  errors.push(wrong);
  console.log(`epoch ${String(epoch).padStart(2)}  errors ${String(wrong).padStart(2)}  ${"█".repeat(wrong)}`);
}

const [[a = 0, b = 0], c] = [await neuron.weights.data(), await neuron.bias.item()];
console.log(`fires where ${a.toFixed(2)} x + ${b.toFixed(2)} y + ${c.toFixed(2)} > 0`);
const where = (wanted: boolean) =>
  points.filter((point) => side(point) > 0 === wanted).map(([x = 0, y = 0]) => [x, y] as const);
saveFile(
  "perceptron/line.svg",
  plot({
    title: "What the perceptron learned",
    x: "x",
    y: "y",
    series: [
      { name: "target 0", points: where(false), as: "points" },
      { name: "target 1", points: where(true), as: "points" },
    ],
    regions: (grid) => grid.map(([x, y]) => (a * x + b * y + c > 0 ? 1 : 0)),
  }),
);
saveFile(
  "perceptron/errors.svg",
  plot({
    title: "Errors per epoch",
    x: "epoch",
    y: `wrong answers of ${examples.length}`,
    series: [{ name: "errors", points: errors.map((wrong, i) => [i + 1, wrong] as const) }],
    include: { y: [0] },
  }),
);
mustReach("errors in the last epoch", errors.at(-1) ?? NaN, { atMost: 0 });
