/** Loss scaling: what it saves from underflow, what it skips, and how the scale moves. */
import { describe, expect, test } from "vitest";
import type { Tensor } from "@weft/tensor";
import { compile, grad, tensor } from "@weft/tensor";
import { OptimizerError, adam, adjustable, sgd, withLearningRate } from "@weft/optim";
import { lossScaling } from "@weft/optim/lossScaling";
import { createOptimizer } from "@weft/optim/createOptimizer";

const values = (tensors: readonly Tensor[]) => tensors.map((each) => [...each.dataSync()]);
const plain = sgd({ learningRate: 1 });

/** f16 in the middle, f32 at both ends: its gradient is `factor` all over, times the scale on its way through f16. */
const narrow = (factor: number, scale: Tensor) => (w: Tensor) =>
  w.cast("f16").mul(1).cast("f32").mul(factor).sum().mul(scale);

describe("loss scaling", () => {
  test("keeps a gradient that f16 alone loses", () => {
    const w = tensor([1, 2]);
    const lost = grad(narrow(1e-9, tensor(1)))(w);
    expect(values([lost])).toEqual([[0, 0]]);
    const optimizer = lossScaling(plain);
    const state = optimizer.init([w]);
    const gradient = grad(narrow(1e-9, optimizer.scale(state)))(w);
    const { parameters } = optimizer.update([tensor([0, 0])], [gradient], state);
    for (const value of values(parameters)[0] ?? []) expect(value).toBeCloseTo(-1e-9, 11);
  });

  test("changes no bit of a step when the scale is a power of two", () => {
    const gradients = [tensor([0.1, -3e-5]), tensor([7])];
    const parameters = [tensor([1, 2]), tensor([3])];
    const [inner, scaled] = [adam({ learningRate: 0.1 }), lossScaling(adam({ learningRate: 0.1 }))];
    const want = inner.update(parameters, gradients, inner.init(parameters));
    const state = scaled.init(parameters);
    const got = scaled.update(
      parameters,
      gradients.map((gradient) => gradient.mul(2 ** 15)),
      state,
    );
    expect(values(got.parameters)).toEqual(values(want.parameters));
    expect(values(got.state.slice(2))).toEqual(values(want.state));
  });

  test.each([NaN, Infinity, -Infinity])("a gradient of %d skips the whole step and halves the scale", (broken) => {
    const optimizer = lossScaling(adam({ learningRate: 0.1 }));
    const parameters = [tensor([1, 2]), tensor([3])];
    const before = optimizer.update(parameters, [tensor([1, 1]), tensor([1])], optimizer.init(parameters));
    const after = optimizer.update(before.parameters, [tensor([1, 1]), tensor([broken])], before.state);
    expect(values(after.parameters)).toEqual(values(before.parameters));
    expect(values(after.state.slice(2))).toEqual(values(before.state.slice(2)));
    expect(values(after.state.slice(0, 2))).toEqual([[2 ** 14], [0]]);
  });

  test("the scale grows after good steps in a row, and counts anew after a bad one", () => {
    const optimizer = lossScaling(plain, { initialScale: 8, growthInterval: 3, growthFactor: 4, backoffFactor: 0.25 });
    const step = compile((w: Tensor[], g: Tensor[], state: Tensor[]) => optimizer.update(w, g, state), {
      donate: [0, 2],
    });
    let [parameters, state] = [[tensor([1])], optimizer.init([tensor([1])])];
    const scales = [1, 1, NaN, 1, 1, 1, 1].map((gradient) => {
      ({ parameters, state } = step(parameters, [tensor([gradient])], state));
      return optimizer.scale(state).itemSync();
    });
    expect(scales).toEqual([8, 8, 2, 2, 2, 8, 8]);
  });

  test("a scale at the end of f32 grows no more", () => {
    const optimizer = lossScaling(plain, { initialScale: 2 ** 127, growthInterval: 1 });
    const { state } = optimizer.update([tensor([1])], [tensor([1])], optimizer.init([tensor([1])]));
    expect(optimizer.scale(state).itemSync()).toBe(2 ** 127);
  });

  test("the state stays f32 beside f32 parameters, and its rate can be adjusted", () => {
    const optimizer = lossScaling(adam({ learningRate: adjustable(0.1) }));
    const state = withLearningRate(optimizer, optimizer.init([tensor([1])]), 0);
    const { parameters } = optimizer.update([tensor([1])], [tensor([5])], state);
    expect(parameters[0]?.dtype).toBe("f32");
    expect(values(parameters)).toEqual([[1]]);
  });

  test("travels as plain data, its settings checked", () => {
    const { spec } = lossScaling(adam({ learningRate: 0.1 }), { initialScale: 1024 });
    expect(createOptimizer(JSON.parse(JSON.stringify(spec))).spec).toEqual(spec);
    expect(() => lossScaling(plain, { backoffFactor: 2 })).toThrow(OptimizerError);
    expect(() => lossScaling(plain, { growthFactor: 0.5 })).toThrow(
      /growthFactor must be a number of at least 1, got 0.5/,
    );
  });
});
