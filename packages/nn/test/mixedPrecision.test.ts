/** Mixed precision: layers compute in f16, everything that is kept stays f32, and results stay near those of f32. */
import { describe, expect, it } from "vitest";
import type { LayerLike, Parameters } from "@weft/nn";
import {
  apply,
  applyWithState,
  attention,
  batchNorm,
  conv2d,
  conv2dTranspose,
  dense,
  dropout,
  embedding,
  flatten,
  globalAvgPool,
  groupNorm,
  gru,
  initialize,
  layerNorm,
  lstm,
  maxPool2d,
  meanSquaredError,
  multiHeadAttention,
  positionalEmbedding,
  relu,
  residual,
  rmsNorm,
  sequential,
  softmaxCrossEntropy,
  transformerBlock,
} from "@weft/nn";
import { mixedPrecision } from "@weft/nn/mixedPrecision";
import { summary } from "@weft/nn/summary";
import type { DType, Shape, Tensor } from "@weft/tensor";
import { key, normal, randomInt, scalar, tensor, trace, valueAndGrad } from "@weft/tensor";
import { perExampleGradients } from "@weft/tensor/perExample";

const half = (model: LayerLike) => mixedPrecision(model, { compute: "f16" });

const models: Readonly<Record<string, readonly [LayerLike, Shape, DType?]>> = {
  "dense layers": [sequential(dense({ features: 16 }), relu, dense({ features: 3 })), [4, 5]],
  convolutions: [
    sequential(
      conv2d({ features: 4, kernel: 3 }),
      groupNorm({ groups: 2 }),
      relu,
      maxPool2d({ window: 2 }),
      conv2dTranspose({ features: 2, kernel: 2 }),
      globalAvgPool,
      dense({ features: 3 }),
    ),
    [2, 8, 8, 1],
  ],
  "norms and residuals": [
    sequential(residual(sequential(layerNorm(), dense({ features: 6 }))), rmsNorm(), dense({ features: 3 })),
    [3, 6],
  ],
  "batch norm": [sequential(dense({ features: 6 }), batchNorm(), relu, dense({ features: 3 })), [8, 4]],
  "recurrent layers": [
    sequential(embedding({ vocabulary: 9, features: 4 }), lstm({ features: 5 }), gru({ features: 3, output: "last" })),
    [2, 6],
    "i32",
  ],
  "a transformer": [
    sequential(
      embedding({ vocabulary: 9, features: 8 }),
      positionalEmbedding({ length: 6 }),
      transformerBlock({ heads: 2, causal: true }),
      flatten,
      dense({ features: 3 }),
    ),
    [2, 6],
    "i32",
  ],
};

describe.each(Object.entries(models))("%s in f16", (_, [model, shape, dtype = "f32"]) => {
  const input = dtype === "i32" ? randomInt(key(3), shape, { high: 9 }) : normal(key(3), shape);
  const targets = normal(key(4), [shape[0] ?? 0, 3]);
  const parameters = initialize(model, key(5), input);
  const lossOf = (layer: LayerLike) => (weights: Parameters) =>
    meanSquaredError(apply(layer, weights, input, { training: true, key: key(6) }), targets);
  const [value, gradient] = valueAndGrad(lossOf(model))(parameters);
  const [halfValue, halfGradient] = valueAndGrad(lossOf(half(model)))(parameters);

  it("has the same parameters, in f32", () => {
    const own = initialize(half(model), key(5), input);
    expect(Object.keys(own)).toEqual(Object.keys(parameters));
    for (const [name, parameter] of Object.entries(own)) {
      expect(parameter.dtype).toBe("f32");
      expect(parameter.dataSync()).toEqual(parameters[name]?.dataSync());
    }
    expect(summary(half(model), input)).toContain(summary(model, input).match(/\d+ parameters/)?.[0]);
  });

  it("gives loss and gradients in f32, near those of f32", () => {
    expect([halfValue.dtype, ...Object.values(halfGradient).map((each) => each.dtype)]).toEqual([
      "f32",
      ...Object.values(gradient).map(() => "f32"),
    ]);
    expect(Math.abs(halfValue.itemSync() / value.itemSync() - 1)).toBeLessThan(0.01);
    expect(halfValue.itemSync()).not.toBe(value.itemSync());
    const flat = (tree: Parameters) => Object.values(tree).flatMap((each) => [...each.dataSync()]);
    const [want, got] = [flat(gradient), flat(halfGradient)];
    const norm = Math.hypot(...want);
    expect(Math.hypot(...want.map((each, i) => each - (got[i] ?? NaN))) / norm).toBeLessThan(0.01);
  });

  it("multiplies matrices of f16 alone", () => {
    const { instructions } = trace(
      (...values: Tensor[]) =>
        lossOf(half(model))(Object.fromEntries(Object.keys(parameters).map((name, i) => [name, values[i]!]))),
      Object.values(parameters),
    );
    const products = instructions.filter(({ primitive }) => primitive === "dot" || primitive === "conv");
    expect(products.length).toBeGreaterThan(0);
    for (const { outputs } of products) expect(outputs[0]?.dtype).toBe("f16");
  });
});

describe("mixed precision", () => {
  it("measures running statistics in f32", () => {
    const model = half(batchNorm());
    const x = normal(key(1), [64, 2], { mean: 3 });
    const parameters = initialize(model, key(0), x);
    const { output, statistics } = applyWithState(model, parameters, x, { training: true });
    const plain = applyWithState(batchNorm(), parameters, x, { training: true });
    expect(output.dtype).toBe("f32");
    for (const [name, value] of Object.entries(statistics)) {
      expect(value.dtype).toBe("f32");
      value.dataSync().forEach((each, i) => expect(each).toBeCloseTo(plain.statistics[name]?.dataSync()[i] ?? NaN, 3));
    }
    const evaluated = apply(model, { ...parameters, ...statistics }, x);
    expect(evaluated.dtype).toBe("f32");
  });

  it("leaves what is outside of the wrapped part in f32", () => {
    const model = sequential(half(dense({ features: 4 })), dense({ features: 2 }));
    const x = normal(key(1), [3, 5]);
    const parameters = initialize(model, key(0), x);
    expect(Object.keys(parameters)).toEqual(["dense.kernel", "dense.bias", "dense_1.kernel", "dense_1.bias"]);
    const { instructions } = trace((input) => apply(model, parameters, input), [x]);
    const types = instructions.filter(({ primitive }) => primitive === "dot").map(({ outputs }) => outputs[0]?.dtype);
    expect(types).toEqual(["f16", "f32"]);
  });

  it("losses of f16 predictions are f32, beyond f16's range", () => {
    const predictions = tensor([[500, -500]], { dtype: "f16" });
    const squared = meanSquaredError(predictions, tensor([[0, 0]]));
    expect([squared.dtype, squared.itemSync()]).toEqual(["f32", 250_000]);
    const crossEntropy = softmaxCrossEntropy(predictions, tensor([1], { dtype: "i32" }));
    expect([crossEntropy.dtype, crossEntropy.itemSync()]).toEqual(["f32", 1000]);
  });

  it("a query that may see nothing gets the mean of all values in f16 too", () => {
    const [q, k, v] = [1, 2, 3].map((seed) => normal(key(seed), [1, 1, 3, 4], { dtype: "f16" })) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    const y = attention(q, k, v, { mask: scalar(false) });
    expect(y.dtype).toBe("f16");
    const mean = v.mean({ axis: 2 }).dataSync();
    y.at(0, 0, 0)
      .dataSync()
      .forEach((each, i) => expect(each).toBeCloseTo(mean[i] ?? NaN, 2));
  });

  it("dropout and attention inside a model keep f16", () => {
    const model = half(sequential(dropout({ rate: 0.5 }), multiHeadAttention({ heads: 2, dropout: 0.1 })));
    const x = normal(key(1), [2, 3, 4]);
    const y = apply(model, initialize(model, key(0), x), x, { training: true, key: key(2) });
    expect([y.dtype, y.shape]).toEqual(["f32", [2, 3, 4]]);
  });

  it("per-example gradients are near those of f32", () => {
    const model = sequential(dense({ features: 8 }), relu, dense({ features: 2 }));
    const x = normal(key(1), [6, 5]);
    const y = normal(key(2), [6, 2]);
    const parameters = initialize(model, key(0), x);
    const norms = [model, half(model)].map((layer) => {
      const loss = (weights: Parameters, input: Tensor, target: Tensor) =>
        meanSquaredError(apply(layer, weights, input.expandDims(0)), target.expandDims(0));
      return [...perExampleGradients(loss)(parameters, x, y).norms.dataSync()];
    });
    norms[0]?.forEach((norm, i) => expect((norms[1]?.[i] ?? NaN) / norm).toBeCloseTo(1, 2));
  });
});
