import { describe, expect, test } from "vitest";
import { scalar, tensor, zeros } from "@weft/tensor";
import { OptimizerError, OptimizerStateError, adagrad, adam, createOptimizer, rmsprop, sgd } from "@weft/optim";

const all = [
  sgd({ learningRate: 0.1 }),
  sgd({ learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.01 }),
  adagrad({ learningRate: 0.1 }),
  rmsprop({ learningRate: 0.1, momentum: 0.9, centered: true }),
  adam({ learningRate: 0.1 }),
];

test("a spec is plain data that makes the same optimiser again", () => {
  for (const { spec } of all) {
    const copy = JSON.parse(JSON.stringify(spec)) as unknown;
    expect(copy).toEqual(spec);
    expect(createOptimizer(copy).spec).toEqual(spec);
  }
});

test("a spec writes out the defaults", () => {
  expect(adam({ learningRate: 1e-3 }).spec).toEqual({
    name: "adam",
    learningRate: 1e-3,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
  });
});

test.each([
  [{ name: "adamm", learningRate: 1 }, /unknown optimiser "adamm"; known are sgd, adagrad, rmsprop, adam/],
  [{ name: "toString", learningRate: 1 }, /unknown optimiser "toString"/],
  [{ learningRate: 1 }, /expected an optimiser such as .* got {"learningRate":1}/],
  [null, /expected an optimiser/],
  [undefined, /expected an optimiser/],
  [{ name: "sgd", learningRate: 1, lr: 2 }, /sgd: unknown setting lr; known are learningRate, momentum/],
  [{ name: "sgd" }, /sgd: learningRate must be a number of at least 0, got undefined/],
  [{ name: "sgd", learningRate: NaN }, /learningRate .* got NaN/],
  [{ name: "sgd", learningRate: 1, momentum: 1 }, /momentum must be a number of at least 0 and below 1, got 1/],
  [{ name: "sgd", learningRate: 1, nesterov: 1, momentum: 0.9 }, /nesterov must be true or false, got 1/],
  [{ name: "sgd", learningRate: 1, nesterov: true }, /nesterov needs momentum/],
  [{ name: "adam", learningRate: "0.1" }, /learningRate .* got "0.1"/],
  [{ name: "adam", learningRate: 0.1, epsilon: 0 }, /epsilon must be a number above 0/],
  [{ name: "adam", learningRate: 0.1, beta2: -1 }, /beta2/],
])("the spec %j is refused with a reason", (spec, message) => {
  expect(() => createOptimizer(spec)).toThrow(message);
  expect(() => createOptimizer(spec)).toThrow(OptimizerError);
});

describe("lists that do not belong together are refused", () => {
  const parameters = [zeros([2]), zeros([3])];
  const optimizer = adam({ learningRate: 0.1 });
  const state = optimizer.init(parameters);

  test("a missing gradient", () => {
    expect(() => optimizer.update(parameters, [zeros([2])], state)).toThrow(/2 parameters and 1 gradients/);
  });
  test("gradients in another order", () => {
    expect(() => optimizer.update(parameters, [zeros([3]), zeros([2])], state)).toThrow(
      /parameter 0 is f32\[2\], its gradient f32\[3\]; give them in the same order/,
    );
  });
  test("the state of another optimiser", () => {
    const other = sgd({ learningRate: 0.1, momentum: 0.9 }).init(parameters);
    expect(() => optimizer.update(parameters, parameters, other)).toThrow(
      /adam: expected a state of 5 tensors \[\[2\] \[3\] \[2\] \[3\] \[\]\], got 2 \[\[2\] \[3\]\]/,
    );
    expect(() => optimizer.update(parameters, parameters, [])).toThrow(OptimizerStateError);
  });
});

test("zero parameters have a state and an update", () => {
  for (const optimizer of all) {
    const { parameters, state } = optimizer.update([], [], optimizer.init([]));
    expect(parameters).toEqual([]);
    expect(state.map(({ shape }) => shape)).toEqual(optimizer.spec.name === "adam" ? [[]] : []);
  }
});

test.each([1, 2, 10, 1000, 100_000, 1_000_000])(
  "the bias correction of Adam holds its f32 digits at step %i",
  (step) => {
    // With both means given, the step is learningRate · (m / (1 − beta1^t)) / √(v / (1 − beta2^t)).
    const [beta1, beta2] = [0.9, 0.999];
    const optimizer = adam({ learningRate: 1, beta1, beta2, epsilon: 1e-30 });
    const state = [tensor([1]), tensor([1]), scalar(step - 1)];
    const [after] = optimizer.update([zeros([1])], [tensor([1])], state).parameters;
    const wanted = -Math.sqrt(1 - beta2 ** step) / (1 - beta1 ** step);
    expect(Math.abs((after?.dataSync()[0] ?? NaN) / wanted - 1)).toBeLessThan(5e-7);
  },
);
