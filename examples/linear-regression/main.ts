/** Linear regression: the line y = 3x + 2 found again, from noisy points, by stochastic gradient descent. */
import type { Tensor } from "@weft/tensor";
import {
  compile,
  foldIn,
  key,
  normal,
  permutation,
  realize,
  setBackend,
  tensor,
  uniform,
  valueAndGrad,
  zeros,
} from "@weft/tensor";
import { sgd } from "@weft/optim";
import { createWasmBackend } from "@weft/wasm";
import { mustReach } from "../shared/goal.ts";
import type { Point } from "../shared/plot.ts";
import { plot, sparkline } from "../shared/plot.ts";
import { saveFile } from "../shared/saveFile.ts";

setBackend(createWasmBackend());

const examples = 200;
const batchSize = 20;
const x = uniform(key(1), [examples], { min: -1, max: 1 });
const y = x
  .mul(3)
  .add(2)
  .add(normal(key(2), [examples], { std: 0.3 }));
await realize(x, y); // tensors are computed when asked for: now, and not again in every step

type Line = readonly Tensor[]; // slope and offset

const predict = ([slope = zeros([]), offset = zeros([])]: Line, x: Tensor) => x.mul(slope).add(offset);
const loss = (line: Line, x: Tensor, y: Tensor) => predict(line, x).sub(y).square().mean();

const optimizer = sgd({ learningRate: 0.1 });
const step = compile((line: Line, state: readonly Tensor[], rows: Tensor) => {
  const [value, gradient] = valueAndGrad(loss)(line, x.take(rows), y.take(rows));
  return { value, ...optimizer.update(line, gradient, state) };
});

let line: Line = [zeros([]), zeros([])];
let state = optimizer.init(line);
const losses: number[] = [];
for (let epoch = 1; epoch <= 20; epoch++) {
  const order = await permutation(foldIn(key(3), epoch), examples).data();
  for (let start = 0; start < examples; start += batchSize) {
    const next = step(line, state, tensor(order.subarray(start, start + batchSize)));
    [line, state] = [next.parameters, next.state];
    losses.push(next.value.itemSync());
  }
  if (epoch % 4 === 0) {
    const [slope, offset] = line.map((value) => value.itemSync().toFixed(3));
    console.log(`epoch ${String(epoch).padStart(2)}  loss ${losses.at(-1)?.toFixed(4)}  y = ${slope} x + ${offset}`);
  }
}

const [slope = NaN, offset = NaN] = line.map((value) => value.itemSync());
const [xs, ys] = [await x.data(), await y.data()];
console.log(`loss ${sparkline(losses)}`);
saveFile(
  "linear-regression/line.svg",
  plot({
    title: `y = ${slope.toFixed(2)} x + ${offset.toFixed(2)}`,
    x: "x",
    y: "y",
    series: [
      { name: "examples", points: Array.from(xs, (value, i): Point => [value, ys[i] ?? 0]), as: "points" },
      { name: "line learned", points: [-1, 1].map((value): Point => [value, slope * value + offset]) },
    ],
  }),
);
mustReach("distance of the slope from 3", Math.abs(slope - 3), { atMost: 0.1 });
mustReach("distance of the offset from 2", Math.abs(offset - 2), { atMost: 0.1 });
