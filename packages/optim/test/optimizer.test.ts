import { describe, expect, test } from "vitest";
import { scalar, tensor, zeros } from "@weft/tensor";
import type { Optimizer } from "@weft/optim";
import {
  OptimizerError,
  OptimizerStateError,
  accumulate,
  adadelta,
  adagrad,
  adam,
  adamax,
  adamw,
  adjustable,
  amsgrad,
  clipByGlobalNorm,
  clipByNorm,
  clipByValue,
  constantRate,
  cosine,
  cosineRestarts,
  exponentialDecay,
  exponentialMovingAverage,
  inverseSqrt,
  lamb,
  linearWarmup,
  lion,
  multistepDecay,
  muon,
  nadam,
  oneCycle,
  partition,
  polynomial,
  radam,
  rmsprop,
  sgd,
  stepDecay,
  warmupCosine,
  yogi,
} from "@weft/optim";
import { createOptimizer } from "@weft/optim/createOptimizer";
import { lbfgs } from "@weft/optim/lbfgs";
import { runProblem } from "./vectors.ts";

const learningRate = 0.1;

/** Rules that step every element by itself, and nothing else. */
const elementwise: readonly Optimizer[] = [
  sgd({ learningRate: constantRate(0.1) }),
  sgd({ learningRate, momentum: 0.9, nesterov: true, weightDecay: 0.01 }),
  sgd({ learningRate: linearWarmup({ to: 0.1, steps: 3 }), momentum: 0.9, dampening: 0.5, decoupledDecay: true }),
  adagrad({ learningRate, rateDecay: 0.1, initialAccumulator: 0.1 }),
  rmsprop({ learningRate, momentum: 0.9, centered: true, weightDecay: 0.01, decoupledDecay: true }),
  adadelta({ learningRate: stepDecay({ from: 1, factor: 0.5, every: 5 }) }),
  adam({ learningRate: cosine({ from: 0.1, steps: 20 }), weightDecay: cosine({ from: 0.1, steps: 20 }) }),
  adamw({ learningRate: cosineRestarts({ from: 0.1, to: 0.01, period: 5 }) }),
  amsgrad({ learningRate: exponentialDecay({ from: 0.1, factor: 0.9 }) }),
  adamax({ learningRate: inverseSqrt({ peak: 0.1, warmup: 4 }) }),
  nadam({ learningRate: multistepDecay({ from: 0.1, factor: 0.1, at: [3, 7] }) }),
  radam({ learningRate: polynomial({ from: 0.1, steps: 20, power: 2 }) }),
  lion({ learningRate: oneCycle({ peak: 0.1, steps: 20 }), weightDecay: 0.1 }),
  yogi({ learningRate: warmupCosine({ peak: 0.1, warmup: 5, steps: 20 }), biasCorrection: true }),
  adam({ learningRate: adjustable(0.1) }),
  clipByValue(adam({ learningRate }), { maxValue: 1 }),
  accumulate(sgd({ learningRate, momentum: 0.9 }), 3),
  exponentialMovingAverage(adam({ learningRate }), { decay: 0.9 }),
];

const whole: readonly Optimizer[] = [
  lamb({ learningRate }),
  muon({ learningRate }),
  lbfgs({ learningRate: 0.5, historySize: 3 }),
  clipByNorm(sgd({ learningRate }), { maxNorm: 1 }),
  clipByGlobalNorm(adam({ learningRate }), { maxNorm: 1, epsilon: 0 }),
  accumulate(lamb({ learningRate }), 2),
  partition([
    { minRank: 2, optimizer: adamw({ learningRate }) },
    { indices: [1, 4], optimizer: sgd({ learningRate }) },
    { optimizer: adam({ learningRate }) },
  ]),
];
const all = [...elementwise, ...whole];
const named = (optimizers: readonly Optimizer[]) =>
  optimizers.map((each) => [JSON.stringify(each.spec), each] as const);

test.each(named(all))("plain data makes the same optimiser again: %s", (text, { spec, elementwise: flag }) => {
  const copy = createOptimizer(JSON.parse(text));
  expect(copy.spec).toEqual(spec);
  expect(copy.elementwise).toBe(flag);
});

test.each(named(elementwise))("one flat vector gives the bits of tensors apart: %s", (_, optimizer) => {
  expect(optimizer.elementwise).toBe(true);
  const how = { dtype: "f32", steps: 20, noise: true } as const;
  const together = runProblem(optimizer, { ...how, shapes: [[7]] }).history;
  expect(together).toEqual(runProblem(optimizer, { ...how, shapes: [[2, 2], [3]] }).history);
  expect(together.flat().every(Number.isFinite)).toBe(true);
});

test.each(named(whole))("what looks at whole tensors says so: %s", (_, optimizer) => {
  expect(optimizer.elementwise).toBe(false);
});

test("a spec writes out the defaults", () => {
  expect(adamw({ learningRate: 1e-3 }).spec).toEqual({
    name: "adam",
    learningRate: 1e-3,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    amsgrad: false,
    weightDecay: 0.01,
    decoupledDecay: true,
  });
});

test("a spec written by hand needs only what has no default", () => {
  const half = { name: "muon", learningRate: 0.1 };
  expect(createOptimizer(half).spec).toEqual(muon({ learningRate: 0.1 }).spec);
  expect(createOptimizer({ name: "lamb", learningRate: 0.1 }).spec).toEqual(lamb({ learningRate: 0.1 }).spec);
});

const nested = (depth: number): unknown =>
  depth === 0 ? { name: "sgd", learningRate: 1 } : { name: "clipByValue", maxValue: 1, optimizer: nested(depth - 1) };

test.each([
  [{ name: "adamm", learningRate: 1 }, /unknown optimiser "adamm"; known are sgd, adagrad, rmsprop, adadelta, adam/],
  [{ name: "toString", learningRate: 1 }, /unknown optimiser "toString"/],
  [{ learningRate: 1 }, /expected an optimiser such as .* got {"learningRate":1}/],
  [null, /expected an optimiser/],
  [undefined, /expected an optimiser/],
  [{ name: "sgd", learningRate: 1, lr: 2 }, /sgd: unknown setting lr; known are learningRate, weightDecay/],
  [{ name: "sgd" }, /sgd: learningRate must be a number of at least 0 or a schedule, got undefined/],
  [{ name: "sgd", learningRate: NaN }, /learningRate .* got NaN/],
  [{ name: "sgd", learningRate: null }, /learningRate .* got null/],
  [{ name: "sgd", learningRate: 1, momentum: 1 }, /momentum must be a number of at least 0 and below 1, got 1/],
  [{ name: "sgd", learningRate: 1, nesterov: 1, momentum: 0.9 }, /nesterov must be true or false, got 1/],
  [{ name: "sgd", learningRate: 1, nesterov: true }, /nesterov needs momentum/],
  [{ name: "sgd", learningRate: 1, dampening: 0.1 }, /dampening needs momentum without nesterov/],
  [{ name: "adam", learningRate: "0.1" }, /learningRate .* got "0.1"/],
  [{ name: "adam", learningRate: 0.1, epsilon: 0 }, /epsilon must be a number above 0/],
  [{ name: "adam", learningRate: 0.1, beta2: -1 }, /beta2/],
  [{ name: "adam", learningRate: [0.1] }, /unknown schedule undefined/],
  [{ name: "adam", learningRate: { name: "cosin" } }, /unknown schedule "cosin"; known are constantRate, stepDecay/],
  [{ name: "adam", learningRate: { name: "cosine", from: 1, to: 0 } }, /cosine: steps must be a whole number/],
  [{ name: "adam", learningRate: { name: "cosine", from: 1, to: 0, steps: 1.5 } }, /cosine: steps must .* got 1.5/],
  [{ name: "adam", learningRate: { ...cosine({ from: 1, steps: 2 }), end: 1 } }, /cosine: unknown setting end/],
  [
    { name: "adam", learningRate: { name: "multistepDecay", from: 1, factor: 0.1, at: [3, 3] } },
    /at must be a list of/,
  ],
  [
    { name: "adam", learningRate: { name: "warmupCosine", peak: 1, to: 0, warmup: 3, steps: 3 } },
    /warm-up of 3 must be shorter than all 3 steps/,
  ],
  [{ name: "adam", learningRate: 1, weightDecay: adjustable(1) }, /weightDecay .* other than adjustable/],
  [{ name: "clipByValue", maxValue: 1 }, /expected an optimiser/],
  [{ name: "clipByNorm", maxNorm: 0, optimizer: { name: "sgd", learningRate: 1 } }, /maxNorm must be a number above 0/],
  [{ name: "accumulate", steps: 0, optimizer: { name: "sgd", learningRate: 1 } }, /steps must be a whole number/],
  [{ name: "partition", groups: 1 }, /groups must be a list/],
  [{ name: "partition", groups: [{}] }, /a group has an optimizer/],
  [{ name: "partition", groups: [{ indices: 1, optimizer: nested(0) }] }, /indices must be a list/],
  [{ name: "partition", groups: [{ indices: [-1], optimizer: nested(0) }] }, /indices of at least 0/],
  [{ name: "partition", groups: [{ rank: 1, optimizer: nested(0) }] }, /partition: unknown setting rank/],
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
      /adam: expected a state of 5 tensors \[f32\[2\] f32\[3\] f32\[2\] f32\[3\] i32\[\]\], got 2 \[f32\[2\] f32\[3\]\]/,
    );
    expect(() => optimizer.update(parameters, parameters, [])).toThrow(OptimizerStateError);
  });
  test("no state at all, by every optimiser that has one", () => {
    for (const each of all) {
      if (each.init(parameters).length === 0) continue;
      expect(() => each.update(parameters, parameters, [])).toThrow(OptimizerStateError);
    }
  });
});

test("zero parameters have a state and an update", () => {
  for (const optimizer of all) {
    const before = optimizer.init([]);
    const { parameters, state } = optimizer.update([], [], before);
    expect(parameters).toEqual([]);
    expect(state.map(({ shape }) => shape)).toEqual(before.map(({ shape }) => shape));
  }
});

test.each([1, 2, 10, 1000, 100_000, 1_000_000])(
  "the bias correction of Adam holds its f32 digits at step %i",
  (step) => {
    // With both means given, the step is learningRate · (m / (1 − beta1^t)) / √(v / (1 − beta2^t)).
    const [beta1, beta2] = [0.9, 0.999];
    const optimizer = adam({ learningRate: 1, beta1, beta2, epsilon: 1e-30 });
    const state = [tensor([1]), tensor([1]), scalar(step - 1, { dtype: "i32" })];
    const [after] = optimizer.update([zeros([1])], [tensor([1])], state).parameters;
    const wanted = -Math.sqrt(1 - beta2 ** step) / (1 - beta1 ** step);
    expect(Math.abs((after?.dataSync()[0] ?? NaN) / wanted - 1)).toBeLessThan(5e-7);
  },
);

test.each([
  [0.999, [1, 5, 6, 7, 100, 500, 1000, 20_000, 1_000_000]],
  [0.9, [1, 5, 6, 8, 20, 500]],
  [0.99999, [6, 1000, 49_000, 51_000, 10_000_000]],
  [0.5, [1, 2, 10]],
  [0, [1, 2]],
])("the rectifier of RAdam holds its f32 digits, beta2 = %f", (beta2, steps) => {
  for (const step of steps) {
    const stepOf = (dtype: "f32" | "f64") => {
      const state = [tensor([1], { dtype }), tensor([1], { dtype }), scalar(step - 1, { dtype: "i32" })];
      const optimizer = radam({ learningRate: 1, beta1: 0, beta2, epsilon: 1e-30 });
      const [after] = optimizer.update([zeros([1], { dtype })], [tensor([1], { dtype })], state).parameters;
      return after?.dataSync()[0] ?? NaN;
    };
    const kept = beta2 ** step;
    const limit = 2 / (1 - beta2) - 1;
    const length = limit - (2 * step * kept) / (1 - kept);
    const rectifier = Math.sqrt(
      ((length - 4) * (length - 2) * limit * (1 - kept)) / ((limit - 4) * (limit - 2) * length),
    );
    const wanted = length > 5 ? -rectifier : -1;
    // The plain formula itself is the small difference of large numbers.
    expect(Math.abs(stepOf("f64") / wanted - 1), `step ${step}`).toBeLessThan(1e-9 * Math.max(1, limit / length));
    expect(Math.abs(stepOf("f32") / stepOf("f64") - 1), `step ${step}`).toBeLessThan(2e-6);
  }
});
