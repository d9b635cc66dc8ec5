/** Activations that are made of others: their values, and the slope that is learned. */
import { expect, test } from "vitest";
import { ShapeError, grad, key, tensor } from "@weft/tensor";
import { apply, celu, glu, hardTanh, initialize, prelu } from "@weft/nn";

const x = tensor([-2, -0.5, 0, 0.5, 3], { dtype: "f64" });
const near = (actual: ArrayLike<number>, expected: readonly number[]) => {
  Array.from(actual).forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i] ?? NaN, 12);
  });
};

test("celu is elu of x / alpha, and its slope at 0 is 1 from both sides", () => {
  const below = (value: number) => 2 * Math.expm1(value / 2);
  near(celu(x, 2).dataSync(), [below(-2), below(-0.5), 0, 0.5, 3]);
  const slopes = grad((y: typeof x) => celu(y, 2).sum())(tensor([-1e-9, 1e-9], { dtype: "f64" }));
  near(slopes.dataSync(), [Math.exp(-5e-10), 1]);
});

test("hardTanh keeps what lies between −1 and 1", () => {
  near(hardTanh(x).dataSync(), [-1, -0.5, 0, 0.5, 1]);
});

test("glu gates the first half of the features by the second, and wants two halves", () => {
  const gated = glu(tensor([[1, 2, 0, Math.log(3)]], { dtype: "f64" }));
  expect(gated.shape).toEqual([1, 2]);
  near(gated.dataSync(), [0.5, 1.5]);
  expect(() => glu(x)).toThrow(ShapeError);
});

test("prelu learns a slope for each channel from what is below 0", () => {
  const model = prelu({ initialSlope: 0.1 });
  const input = tensor([
    [-2, 3],
    [-1, -4],
  ]);
  const parameters = initialize(model, key(1), input);
  const [slope] = Object.values(parameters);
  expect(slope?.shape).toEqual([2]);
  near(
    apply(model, parameters, input).dataSync(),
    [-0.2, 3, -0.1, -0.4].map((value) => Math.fround(value)),
  );
  const slopes = grad((values: typeof parameters) => apply(model, values, input).sum())(parameters);
  near(Object.values(slopes)[0]?.dataSync() ?? [], [-3, -4]);
});
