/** Normalisation by running statistics, and layers that keep or change shapes. */
import { describe, expect, test } from "vitest";
import type { Tensor } from "@weft/tensor";
import { ShapeError, grad, key, normal as draw, ones, tensor, zeros } from "@weft/tensor";
import type { LayerLike, Parameters } from "@weft/nn";
import {
  ModelError,
  apply,
  applyWithState,
  avgPool1d,
  batchNorm,
  conv1d,
  conv1dTranspose,
  conv2d,
  conv2dTranspose,
  define,
  dense,
  depthwiseConv2d,
  flatten,
  globalAvgPool,
  globalMaxPool,
  groupNorm,
  initialize,
  instanceNorm,
  layerNorm,
  maxPool1d,
  relu,
  reshape,
  residual,
  sequential,
  statisticsOf,
  upsample2d,
} from "@weft/nn";
import { summarize } from "@weft/nn/summary";

const x = draw(key(1), [6, 3], { dtype: "f64" }).mul(2).add(5);
const model = sequential(dense({ features: 4 }), batchNorm({ momentum: 0.2 }), relu);
const largest = (x: Tensor) => x.abs().max().itemSync();

describe("batchNorm", () => {
  const parameters = initialize(model, key(2), x);
  const names = ["batchNorm.mean", "batchNorm.variance"];

  test("has its statistics among the parameters, and tells which they are", () => {
    expect(Object.keys(parameters)).toEqual([
      "dense.kernel",
      "dense.bias",
      ...["mean", "variance", "gamma", "beta"].map((name) => `batchNorm.${name}`),
    ]);
    expect(statisticsOf(model, x)).toEqual(names);
    expect(statisticsOf(dense({ features: 2 }), { shape: [1, 3], dtype: "f32" })).toEqual([]);
    expect(names.map((name) => [...(parameters[name] as Tensor).dataSync()])).toEqual([
      [0, 0, 0, 0],
      [1, 1, 1, 1],
    ]);
  });

  test("in training goes by the batch, and gives moved statistics without changing those it got", () => {
    const { output, statistics } = applyWithState(model, parameters, x, { training: true });
    expect(largest(output.sub(apply(model, parameters, x, { training: true })))).toBe(0);
    const hidden = x.matmul(parameters["dense.kernel"] as Tensor);
    expect(Object.keys(statistics)).toEqual(names);
    const { "batchNorm.mean": mean, "batchNorm.variance": variance } = statistics as Record<string, Tensor>;
    expect(largest((mean as Tensor).sub(hidden.mean({ axis: 0 }).mul(0.2)))).toBeLessThan(1e-12);
    const unbiased = hidden.variance({ axis: 0, correction: 1 });
    expect(largest((variance as Tensor).sub(unbiased.mul(0.2).add(0.8)))).toBeLessThan(1e-12);
    expect(largest(parameters["batchNorm.mean"] as Tensor)).toBe(0);
  });

  test("otherwise goes by the statistics, which training brings to those of the data", () => {
    let current: Parameters = parameters;
    for (let step = 0; step < 60; step++) {
      current = { ...current, ...applyWithState(model, current, x, { training: true }).statistics };
    }
    const trained = apply(model, current, x, { training: true });
    const scale = Math.sqrt(6 / 5); // the variance that is kept is the unbiased one
    expect(largest(apply(model, current, x).mul(scale).sub(trained))).toBeLessThan(1e-4);
    const evaluated = applyWithState(model, current, x);
    expect(evaluated.statistics["batchNorm.mean"]).toBe(current["batchNorm.mean"]);
  });

  test("learns through the batch's mean and variance, and has no gradient for statistics", () => {
    const loss = (weights: Parameters) => apply(model, weights, x, { training: true }).square().sum();
    const gradient = grad(loss)(parameters);
    expect(names.map((name) => largest(gradient[name] as Tensor))).toEqual([0, 0]);
    // A bias before it changes nothing.
    expect(largest(gradient["dense.bias"] as Tensor)).toBeLessThan(1e-10);
    expect(largest(gradient["batchNorm.gamma"] as Tensor)).toBeGreaterThan(0.1);
  });

  test("called twice, moves its statistics twice", () => {
    const twice = define(({ layer }) => {
      const norm = layer("norm", batchNorm());
      return (y) => norm(norm(y));
    });
    const { statistics } = applyWithState(twice, initialize(twice, key(0), x), x, { training: true });
    const once = x.mean({ axis: 0 }).mul(0.1);
    expect(largest((statistics["norm.mean"] as Tensor).sub(once.mul(0.9)))).toBeLessThan(1e-10);
  });

  test("of one example is finite", () => {
    const { output, statistics } = applyWithState(model, parameters, x.at([0, 1]), { training: true });
    expect([output, ...Object.values(statistics)].every((y) => Number.isFinite(largest(y)))).toBe(true);
  });
});

test("group norm of one group per channel is instance norm, and norms do without gamma and beta", () => {
  const image = draw(key(3), [2, 4, 4, 6]);
  const bare = { useScale: false, useBias: false };
  const [byGroup, byInstance] = [groupNorm({ groups: 6, ...bare }), instanceNorm(bare)];
  expect(initialize(byGroup, key(0), image)).toEqual({});
  expect(largest(apply(byGroup, {}, image).sub(apply(byInstance, {}, image)))).toBe(0);
  expect(largest(apply(byInstance, {}, image).mean({ axis: [1, 2] }))).toBeLessThan(1e-5);
  expect(() => initialize(groupNorm({ groups: 4 }), key(0), image)).toThrow(/6 channels do not divide into 4 groups/);
  expect(() => initialize(layerNorm({ axes: 5 }), key(0), image)).toThrow(ShapeError);
  expect(() => batchNorm({ momentum: 1.5 })).toThrow(ModelError);
});

describe("shapes", () => {
  const output = (layer: LayerLike, ...shape: number[]) =>
    summarize(layer, { shape: [2, ...shape], dtype: "f32" }).output;

  test("of sequences and images come out as their layers promise", () => {
    expect(output(conv1d({ features: 4, kernel: 3, stride: 2, padding: "same" }), 9, 2)).toEqual([5, 4]);
    expect(output(maxPool1d({ window: 2 }), 9, 2)).toEqual([4, 2]);
    expect(output(avgPool1d({ window: 3, stride: 1 }), 9, 2)).toEqual([7, 2]);
    expect(output(conv1dTranspose({ features: 4, kernel: 4, stride: 2 }), 9, 2)).toEqual([20, 4]);
    expect(output(conv2dTranspose({ features: 4, kernel: 3, stride: 2, padding: "same" }), 5, 7, 2)).toEqual([
      10, 14, 4,
    ]);
    expect(output(depthwiseConv2d({ kernel: 3, multiplier: 2 }), 9, 9, 3)).toEqual([7, 7, 6]);
    expect(output(upsample2d({ scale: 3 }), 2, 3, 4)).toEqual([6, 9, 4]);
    expect(output(sequential(flatten, reshape([3, -1])), 4, 3)).toEqual([3, 4]);
    expect(output(globalMaxPool, 4, 5, 3)).toEqual([3]);
  });

  test("depthwise kernels hold one input channel", () => {
    const parameters = initialize(depthwiseConv2d({ kernel: [3, 1], multiplier: 2 }), key(0), ones([1, 5, 5, 3]));
    expect(parameters["kernel"]?.shape).toEqual([3, 1, 1, 6]);
    expect(parameters["bias"]?.shape).toEqual([6]);
  });

  test("global pooling reduces whatever lies between batch and channels", () => {
    const sequence = tensor([[[1, 5], [3, 4]]]); // prettier-ignore
    expect([...globalAvgPool(sequence).dataSync()]).toEqual([2, 4.5]);
    expect([...globalMaxPool(sequence).dataSync()]).toEqual([3, 5]);
    expect(() => globalAvgPool(ones([2, 3]))).toThrow(/expected \[batch, …, channels\] with axes between/);
  });

  test("a wrong number of axes in a setting is refused", () => {
    expect(() => initialize(conv2d({ features: 1, kernel: [3] }), key(0), ones([1, 5, 5, 1]))).toThrow(
      /expected one number or 2, one for each spatial axis, got \[3\]/,
    );
    expect(() => initialize(conv1d({ features: 1, kernel: 3 }), key(0), ones([5, 1]))).toThrow(
      /conv1d: expected \[batch, time, channels\], got f32\[5,1\]; add a batch/,
    );
  });
});

test("a residual adds what goes in, or what the shortcut makes of it", () => {
  const input = ones([1, 3]);
  const plain = residual(dense({ features: 3, kernelInitializer: (_, shape) => zeros(shape) }));
  expect([...apply(plain, initialize(plain, key(0), input), input).dataSync()]).toEqual([1, 1, 1]);
  const projected = residual(dense({ features: 2 }), { shortcut: dense({ features: 2, useBias: false }) });
  expect(Object.keys(initialize(projected, key(0), input))).toEqual(["inner.kernel", "inner.bias", "shortcut.kernel"]);
  expect(() => initialize(residual(dense({ features: 2 })), key(0), input)).toThrow(
    /residual: the layer gives f32\[1,2\] and the shortcut f32\[1,3\]; keep the shape, or give a shortcut/,
  );
});
