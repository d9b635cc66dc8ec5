/** Calls, which are Programs within Programs with gradients that compute them again or are given, and other transformations. */
import type { Tensor } from "@weft/tensor";
import { bindAll, checkpoint, conv2d, customVjp, grad, tensor, trace } from "@weft/tensor";
import { hvp, jvp } from "@weft/tensor/jvp";
import { perExampleGradients } from "@weft/tensor/perExample";
import type { Case } from "./case.ts";
import { accumulated, sample } from "./case.ts";

const layer = (x: Tensor, w: Tensor): Tensor => x.matmul(w).tanh().add(x);
const weights = tensor([
  [0.5, -1, 0.25],
  [1, 0.5, -0.5],
  [-0.25, 0.75, 1],
]);
const inner = trace((x) => [x.matmul(weights).sum({ axis: 1 }), x.exp()], [{ shape: [2, 3], dtype: "f32" }]);
const clipped = customVjp(
  (x: Tensor) => x.square(),
  (dy: Tensor, { args: [x] }) => [dy.mul(x).mul(2).clip(-1, 1)],
);

export const transformationCases: readonly Case[] = [
  {
    claim: "calls of one Program on several operands, one within another",
    fn: (x, y) => {
      const [sums, powers] = bindAll("call", [x], { body: inner, recompute: false });
      const outer = trace((z) => bindAll("call", [z.add(weights.at([0, 2]))], { body: inner, recompute: true }), [x]);
      return [sums!, powers!.add(y), ...bindAll("call", [y], { body: outer, recompute: true })];
    },
    inputs: [[sample([2, 3]), sample([2, 3])]],
    tolerance: accumulated,
  },
  {
    claim: "the gradient of layers that are computed again",
    fn: (x, w) => {
      const deep = (kernel: Tensor) => {
        let y = x;
        for (let i = 0; i < 4; i++) y = checkpoint(layer)(y, kernel);
        return y.square().sum();
      };
      return [deep(w), grad(deep)(w)];
    },
    inputs: [[sample([2, 3]), sample([3, 3], "f32", [-0.5, 0.5])]],
    tolerance: { relative: 1e-4, absolute: 1e-4 },
  },
  {
    claim: "a gradient of its own",
    fn: (x) => [clipped(x), grad((z: Tensor) => clipped(z).sum())(x)],
    inputs: [[sample([7])]],
  },
  {
    claim: "norms and weighted sums of the gradients of each example",
    fn: (images, kernel, w) => {
      const loss = ([k, v]: readonly Tensor[], image: Tensor) =>
        conv2d(image.expandDims(0), k!, { padding: "same" }).relu().reshape([1, -1]).matmul(v!).square().sum();
      const { values, norms, weightedSum, stacked } = perExampleGradients(loss)([kernel, w], images);
      return [values, norms, ...weightedSum(norms.add(1).reciprocal()), ...stacked()];
    },
    inputs: [[sample([5, 4, 4, 2]), sample([3, 3, 2, 3], "f32", [-0.5, 0.5]), sample([48, 6], "f32", [-0.5, 0.5])]],
    tolerance: { relative: 1e-4, absolute: 1e-3 },
  },
  {
    claim: "tangents and products with second derivatives",
    fn: (x, w, v) => {
      const energy = (kernel: Tensor) => layer(layer(x, kernel), kernel).square().sum();
      return [...jvp(energy)([w], [v]), hvp(energy)(w, v)];
    },
    inputs: [[sample([2, 3]), sample([3, 3], "f32", [-0.5, 0.5]), sample([3, 3])]],
    tolerance: { relative: 1e-4, absolute: 1e-3 },
  },
];
