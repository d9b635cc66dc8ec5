/** Exclusive or by back-propagation (Rumelhart, Hinton and Williams 1986): the gradient by hand and by autograd, the same numbers. */
import type { Tensor } from "@weft/tensor";
import { compile, concat, key, normal, setBackend, tensor, valueAndGrad, zeros } from "@weft/tensor";
import { createWasmBackend } from "@weft/wasm";
import { mustReach } from "../shared/goal.ts";
import { plot, sparkline } from "../shared/plot.ts";
import { saveFile } from "../shared/saveFile.ts";

setBackend(createWasmBackend());

const x = tensor([
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
]);
const y = tensor([[0], [1], [1], [0]]);

interface Network {
  readonly w1: Tensor; // [2, 4]
  readonly b1: Tensor; // [4]
  readonly w2: Tensor; // [4, 1]
  readonly b2: Tensor; // [1]
}

let network: Network = {
  w1: normal(key(1), [2, 4]),
  b1: zeros([4]),
  w2: normal(key(2), [4, 1]),
  b2: zeros([1]),
};

function forward({ w1, b1, w2, b2 }: Network) {
  const hidden = x.matmul(w1).add(b1).sigmoid(); // [4 rows, 4 neurons]
  const output = hidden.matmul(w2).add(b2).sigmoid(); // [4 rows, 1]
  return { hidden, output };
}

const loss = (n: Network) => forward(n).output.sub(y).square().mean();

/** The chain rule from the loss back to each weight. d… is the derivative of the loss by …; σ′ = σ (1 − σ). */
function backward(n: Network): Network {
  const { hidden, output } = forward(n);
  const rows = 4;
  const dOutput = output.sub(y).mul(2 / rows);
  const dSum2 = dOutput.mul(output).mul(output.neg().add(1)); // [4, 1]
  const dHidden = dSum2.matmul(n.w2.T); // [4, 4]
  const dSum1 = dHidden.mul(hidden).mul(hidden.neg().add(1)); // [4, 4]
  return {
    w1: x.T.matmul(dSum1),
    b1: dSum1.sum({ axis: 0 }),
    w2: hidden.T.matmul(dSum2),
    b2: dSum2.sum({ axis: 0 }),
  };
}

const flat = ({ w1, b1, w2, b2 }: Network) => concat([w1, b1, w2, b2].map((weights) => weights.reshape([-1])));

const rate = 2;
const learn = compile((n: Network) => {
  const byHand = backward(n);
  const [value, byAutograd] = valueAndGrad(loss)(n);
  const next: Network = {
    w1: n.w1.sub(byHand.w1.mul(rate)),
    b1: n.b1.sub(byHand.b1.mul(rate)),
    w2: n.w2.sub(byHand.w2.mul(rate)),
    b2: n.b2.sub(byHand.b2.mul(rate)),
  };
  return { next, value, byHand: flat(byHand), byAutograd: flat(byAutograd) };
});

const losses: number[] = [];
let largestDifference = 0;
for (let step = 1; step <= 2000; step++) {
  const { next, value, byHand, byAutograd } = learn(network);
  network = next;
  losses.push(value.itemSync());
  largestDifference = Math.max(largestDifference, byHand.sub(byAutograd).abs().max().itemSync());
  if (step === 1) {
    const shown = (gradient: Tensor) =>
      Array.from(gradient.dataSync().subarray(8, 13), (g) => g.toFixed(6).padStart(9)).join(" ");
    console.log(`gradient by hand      ${shown(byHand)} …\ngradient by autograd  ${shown(byAutograd)} …`);
  }
}

console.log(`loss ${losses[0]?.toFixed(4)} ${sparkline(losses, 50)} ${losses.at(-1)?.toFixed(4)}`);
const answers = await forward(network).output.data();
["0 xor 0", "0 xor 1", "1 xor 0", "1 xor 1"].forEach((row, i) => console.log(`${row} = ${answers[i]?.toFixed(3)}`));
saveFile(
  "xor-backpropagation/loss.svg",
  plot({
    title: "Exclusive or by back-propagation",
    x: "step",
    y: "mean squared error",
    series: [{ name: "loss", points: losses.map((value, i) => [i + 1, value] as const) }],
    include: { y: [0] },
  }),
);
mustReach("difference of the gradients", largestDifference, { atMost: 1e-6 });
mustReach("loss", losses.at(-1) ?? NaN, { atMost: 0.01 });
