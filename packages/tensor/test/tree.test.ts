/** Trees keep the names and the order that their user gave them. */
import { compile, grad, tensor, valueAndGrad } from "@weft/tensor";
import type { Tensor } from "@weft/tensor";
import { expect, test } from "vitest";

const parameters = () => ({ weights: tensor([1, 2]), bias: tensor([3, 4]), scale: tensor([5, 6]) });
const loss = (p: { weights: Tensor; bias: Tensor; scale: Tensor }) => p.weights.mul(p.scale).add(p.bias.mul(2)).sum();

test("a record of gradients lists its names as the record of parameters does", () => {
  expect(Object.keys(grad(loss)(parameters()))).toEqual(["weights", "bias", "scale"]);
  const [, gradients] = valueAndGrad(loss)(parameters());
  expect(Object.values(gradients).map((g) => [...g.dataSync()])).toEqual([
    [5, 6],
    [2, 2],
    [1, 2],
  ]);
});

test("a compiled function gives records as it made them, whatever the order of its arguments", () => {
  const step = compile((p: ReturnType<typeof parameters>) => ({ z: p.scale.add(1), a: p.weights }));
  const { weights, bias, scale } = parameters();
  for (const argument of [
    { weights, bias, scale },
    { scale, weights, bias },
  ]) {
    const result = step(argument);
    expect(Object.keys(result)).toEqual(["z", "a"]);
    expect([...result.z.dataSync()]).toEqual([6, 7]);
  }
});
