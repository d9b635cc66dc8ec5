import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Tensor } from "@weft/tensor";
import { compile, dot, key, normal, tensor, zeros } from "@weft/tensor";
import {
  OptimizerError,
  accumulate,
  adam,
  adamw,
  adjustable,
  clipByGlobalNorm,
  clipByNorm,
  clipByValue,
  cosine,
  exponentialMovingAverage,
  indicesOf,
  muon,
  partition,
  plateau,
  sgd,
  withLearningRate,
} from "@weft/optim";

const values = (tensors: readonly Tensor[]) => tensors.map((each) => [...each.dataSync()]);
const plain = sgd({ learningRate: 1 });

describe("clipping", () => {
  const parameters = [zeros([2]), zeros([1])];
  const gradients = [tensor([3, 4]), tensor([12])];

  test("by value clamps every element", () => {
    const { parameters: after } = clipByValue(plain, { maxValue: 3.5 }).update(parameters, gradients, []);
    expect(values(after)).toEqual([[-3, -3.5], [-3.5]]);
  });
  test("by norm scales every tensor by its own", () => {
    const { parameters: after } = clipByNorm(plain, { maxNorm: 10, epsilon: 0 }).update(parameters, gradients, []);
    expect(values(after)).toEqual([[-3, -4], [-10]]);
  });
  test("by global norm scales all alike", () => {
    const clip = clipByGlobalNorm(plain, { maxNorm: 6.5, epsilon: 0 });
    expect(values(clip.update(parameters, gradients, []).parameters)).toEqual([[-1.5, -2], [-6]]);
  });
});

test("accumulated steps are the steps along mean gradients, and nothing moves between", () => {
  const gradient = fc.array(fc.float({ min: -10, max: 10, noNaN: true }), { minLength: 3, maxLength: 3 });
  fc.assert(
    fc.property(fc.array(gradient, { minLength: 4, maxLength: 9 }), fc.integer({ min: 1, max: 4 }), (all, steps) => {
      const inner = adam({ learningRate: 0.1 });
      const gathered = accumulate(inner, steps);
      let [w, wanted] = [[zeros([3])], [zeros([3])]];
      let [state, wantedState] = [gathered.init(w), inner.init(wanted)];
      all.forEach((each, t) => {
        ({ parameters: w, state } = gathered.update(w, [tensor(each)], state));
        if (t % steps === steps - 1) {
          const batch = all.slice(t + 1 - steps, t + 1).map((g) => tensor(g));
          const mean = batch.reduce((sum, g) => sum.add(g), zeros([3])).mul(1 / steps);
          ({ parameters: wanted, state: wantedState } = inner.update(wanted, [mean], wantedState));
        }
        expect(values(w)).toEqual(values(wanted));
      });
    }),
    { numRuns: 20 },
  );
});

test("the moving average is the weighted mean of the weights so far", () => {
  const decay = 0.75;
  const optimizer = exponentialMovingAverage(plain, { decay });
  let parameters = [tensor([1, -2])];
  let state = optimizer.init(parameters);
  expect(values(optimizer.averaged(parameters, state))).toEqual([[1, -2]]);
  const seen: number[][] = [];
  for (let t = 0; t < 5; t++) {
    ({ parameters, state } = optimizer.update(parameters, [tensor([t, 1])], state));
    seen.push(...values(parameters));
    const weights = seen.map((_, i) => decay ** (t - i));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const wanted = [0, 1].map((k) => seen.reduce((sum, w, i) => sum + (weights[i] ?? 0) * (w[k] ?? 0), 0) / total);
    const [got = []] = values(optimizer.averaged(parameters, state));
    got.forEach((value, k) => {
      expect(value).toBeCloseTo(wanted[k] ?? NaN, 5);
    });
  }
});

describe("partition", () => {
  const names = { "dense.kernel": [2, 3], "dense.bias": [3], "norm.gamma": [3] };
  const parameters = Object.values(names).map((shape, i) => normal(key(i), shape));
  const gradients = parameters.map((parameter) => parameter.mul(0.5).add(1));

  test("each group's parameters go as its optimiser alone takes them", () => {
    const [kernels, others] = [adamw({ learningRate: 0.1, weightDecay: 0.5 }), adam({ learningRate: 0.01 })];
    for (const first of [{ minRank: 2 }, { indices: indicesOf(names, /kernel$/) }]) {
      const optimizer = partition([{ ...first, optimizer: kernels }, { optimizer: others }]);
      const { parameters: after } = optimizer.update(parameters, gradients, optimizer.init(parameters));
      const alone = (each: typeof kernels, from: number, to?: number) => {
        const part = parameters.slice(from, to);
        return each.update(part, gradients.slice(from, to), each.init(part)).parameters;
      };
      expect(values(after)).toEqual(values([...alone(kernels, 0, 1), ...alone(others, 1)]));
    }
  });
  test("a parameter that no group takes is an error", () => {
    expect(() => partition([{ minRank: 2, optimizer: plain }]).init(parameters)).toThrow(
      /no group takes parameter 1 of shape \[3\]; end with a group without conditions/,
    );
  });
  test("a state of one group only is refused", () => {
    const optimizer = partition([{ minRank: 2, optimizer: adamw({ learningRate: 1 }) }, { optimizer: plain }]);
    expect(() => optimizer.update(parameters, gradients, [])).toThrow(/partition: expected a state of 3 tensors/);
  });
});

test.each([[[6, 4]], [[3, 8]], [[5, 5]], [[3, 3, 2, 4]]])(
  "the first step of Muon on %j has singular values near one, and biases go to the fallback",
  (shape) => {
    const parameters = [zeros(shape), zeros([4])];
    const gradients = parameters.map((each, i) => normal(key(i), each.shape));
    const fallback = adamw({ learningRate: 0.01 });
    const optimizer = muon({ learningRate: 1, fallback });
    const { parameters: after } = optimizer.update(parameters, gradients, optimizer.init(parameters));
    const columns = shape.at(-1) ?? 1;
    const step = (after[0] ?? zeros(shape)).reshape([-1, columns]);
    const [rows = 1] = step.shape;
    const scale = Math.max(1, columns / rows);
    // The mean square of the singular values.
    const squares = step.mul(step).sum().itemSync() / Math.min(rows, columns) / scale;
    expect(squares).toBeGreaterThan(0.5);
    expect(squares).toBeLessThan(1.3);
    // It still points down the gradient.
    const slope = dot(step.reshape([-1]), gradients[0]?.reshape([-1]) ?? step, {
      lhsBatch: [],
      rhsBatch: [],
      lhsContract: [0],
      rhsContract: [0],
    });
    expect(slope.itemSync()).toBeLessThan(0);
    const bias = fallback.update(parameters.slice(1), gradients.slice(1), fallback.init(parameters.slice(1)));
    expect(values(after.slice(1))).toEqual(values(bias.parameters));
  },
);

test("a scheduled step is traced once", () => {
  const optimizer = clipByGlobalNorm(adam({ learningRate: cosine({ from: 0.1, steps: 4 }) }), { maxNorm: 1 });
  let traced = 0;
  const step = compile((parameters: Tensor[], state: Tensor[], gradients: Tensor[]) => {
    traced++;
    return optimizer.update(parameters, gradients, state);
  });
  let parameters = [tensor([1, 2])];
  let state = optimizer.init(parameters);
  const moves: number[] = [];
  for (let t = 0; t < 6; t++) {
    const [before = NaN] = parameters[0]?.dataSync() ?? [];
    ({ parameters, state } = step(parameters, state, [tensor([1, 1])]));
    moves.push(before - (parameters[0]?.dataSync()[0] ?? NaN));
  }
  expect(traced).toBe(1);
  // With equal gradients every step of Adam is the learning rate.
  [0.1, 0.0853553, 0.05, 0.0146447, 0, 0].forEach((wanted, t) => {
    expect(moves[t]).toBeCloseTo(wanted, 5);
  });
});

describe("plateau", () => {
  const fall = (metrics: readonly number[], options: Partial<Parameters<typeof plateau>[0]> = {}) => {
    const schedule = plateau({ learningRate: 1, factor: 0.5, patience: 1, ...options });
    let state = schedule.initial;
    return metrics.map((metric) => (state = schedule.next(state, metric)).learningRate);
  };

  test("the rate falls after more than `patience` looks without improvement", () => {
    expect(fall([3, 2, 2, 2, 2, 2, 1])).toEqual([1, 1, 1, 0.5, 0.5, 0.25, 0.25]);
  });
  test("an improvement within the threshold is none", () => {
    expect(fall([1, 0.95, 0.95], { threshold: 0.1 })).toEqual([1, 1, 0.5]);
  });
  test("NaN is no improvement", () => {
    expect(fall([NaN, NaN, 1, NaN, NaN])).toEqual([1, 0.5, 0.5, 0.5, 0.25]);
  });
  test("looks of the cooldown do not count", () => {
    expect(fall([1, 1, 1, 1, 1, 1, 1], { cooldown: 2 })).toEqual([1, 1, 0.5, 0.5, 0.5, 0.5, 0.25]);
  });
  test("upwards, and never below the least rate", () => {
    expect(fall([1, 2, 2, 2, 2, 2, 3], { mode: "max", minLearningRate: 0.4 })).toEqual([1, 1, 1, 0.5, 0.5, 0.4, 0.4]);
  });
  test("its state is plain data", () => {
    const schedule = plateau({ learningRate: 1 });
    const state = schedule.next(schedule.initial, 2);
    expect(JSON.parse(JSON.stringify(state))).toEqual(state);
  });
});

test("an adjustable rate changes between updates of one compiled step", () => {
  const optimizer = accumulate(clipByValue(sgd({ learningRate: adjustable(0.5) }), { maxValue: 10 }), 1);
  const step = compile((parameters: Tensor[], state: Tensor[]) =>
    optimizer.update(
      parameters,
      parameters.map((each) => each.mul(0).add(1)),
      state,
    ),
  );
  let parameters = [tensor([1])];
  let state = optimizer.init(parameters);
  ({ parameters, state } = step(parameters, state));
  expect(values(parameters)).toEqual([[0.5]]);
  state = withLearningRate(optimizer, state, 0.25);
  ({ parameters, state } = step(parameters, state));
  expect(values(parameters)).toEqual([[0.25]]);
  expect(() => withLearningRate(optimizer, state, NaN)).toThrow(OptimizerError);
  expect(() => withLearningRate(plain, [], 0.1)).toThrow(/sgd: its learning rate is fixed/);
});
