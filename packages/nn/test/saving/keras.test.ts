/** Models converted from Keras compute what Keras' definitions say, written here as plain loops; and the way back. */
import { describe, expect, test } from "vitest";
import type { Tensor } from "@weft/tensor";
import { key, normal } from "@weft/tensor";
import type { LayerLike, Parameters } from "@weft/nn";
import {
  ParameterError,
  apply,
  batchNorm,
  conv2d,
  conv2dTranspose,
  define,
  dense,
  depthwiseConv2d,
  embedding,
  flatten,
  gru,
  initialize,
  lstm,
  multiHeadAttention,
  prelu,
  sequential,
} from "@weft/nn";
import { fromKeras, toKeras } from "@weft/nn/saving";

let seed = 100;
const random = (...shape: number[]): Tensor => normal(key(seed++), shape, { dtype: "f64" });
const shapesOf = (model: LayerLike, ...shape: number[]): Parameters =>
  initialize(model, key(0), { shape, dtype: "f64" });

function reader(x: Tensor | undefined): (...index: number[]) => number {
  if (!x) throw new Error("no such tensor");
  const data = x.dataSync();
  return (...index) => data[index.reduce((at, i, axis) => at * (x.shape[axis] ?? 1) + i, 0)] ?? NaN;
}
const range = (n: number) => Array.from({ length: n }, (_, i) => i);
const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

function expectClose(got: Tensor, wanted: readonly number[]): void {
  const values = [...got.dataSync()];
  expect(values.length).toBe(wanted.length);
  values.forEach((value, i) => {
    expect(Math.abs(value - (wanted[i] ?? NaN)), `element ${i}`).toBeLessThan(1e-9);
  });
}

test("a depthwise convolution, a transposed one, a flattening and a dense layer", () => {
  const state = {
    "depthwise_conv2d/depthwise_kernel:0": random(2, 2, 3, 2),
    "depthwise_conv2d/bias:0": random(6),
    "conv2d_transpose/kernel:0": random(2, 2, 4, 6),
    "conv2d_transpose/bias:0": random(4),
    "dense/kernel:0": random(4 * 6 * 4, 2),
    "dense/bias:0": random(2),
  };
  const model = sequential(
    depthwiseConv2d({ kernel: 2, multiplier: 2 }),
    conv2dTranspose({ features: 4, kernel: 2, stride: 2 }),
    flatten,
    dense({ features: 2 }),
  );
  const x = random(1, 3, 4, 3);
  const at = reader(x);
  const leaf = Object.fromEntries(Object.entries(state).map(([name, each]) => [name, reader(each)]));
  const value = (name: keyof typeof state, ...index: number[]) => leaf[name]?.(...index) ?? NaN;
  const depth = (i: number, j: number, o: number) =>
    total(
      range(4).map((k) => {
        const [u, v, c] = [k >> 1, k & 1, o >> 1];
        return at(0, i + u, j + v, c) * value("depthwise_conv2d/depthwise_kernel:0", u, v, c, o & 1);
      }),
    ) + value("depthwise_conv2d/bias:0", o);
  const spread = (i: number, j: number, o: number) =>
    total(range(6).map((c) => depth(i >> 1, j >> 1, c) * value("conv2d_transpose/kernel:0", i & 1, j & 1, o, c))) +
    value("conv2d_transpose/bias:0", o);
  const flat = range(4).flatMap((i) => range(6).flatMap((j) => range(4).map((o) => spread(i, j, o))));
  const wanted = range(2).map(
    (o) => total(flat.map((each, i) => each * value("dense/kernel:0", i, o))) + value("dense/bias:0", o),
  );
  expectClose(apply(model, fromKeras(state, shapesOf(model, 1, 3, 4, 3)), x), wanted);
});

test("a GRU of Keras 3, whose gates come in another order, and batch norm", () => {
  const state = {
    "gru/gru_cell/kernel": random(3, 6),
    "gru/gru_cell/recurrent_kernel": random(2, 6),
    "gru/gru_cell/bias": random(2, 6),
    "batch_normalization/gamma": random(2),
    "batch_normalization/beta": random(2),
    "batch_normalization/moving_mean": random(2),
    "batch_normalization/moving_variance": random(2).square(),
  };
  const model = sequential(gru({ features: 2 }), batchNorm());
  const x = random(1, 4, 3);
  const [at, w, u, b] = [
    reader(x),
    reader(state["gru/gru_cell/kernel"]),
    reader(state["gru/gru_cell/recurrent_kernel"]),
    reader(state["gru/gru_cell/bias"]),
  ];
  const norm = (leaf: "gamma" | "beta" | "moving_mean" | "moving_variance", k: number) =>
    reader(state[`batch_normalization/${leaf}`])(k);
  let h = [0, 0];
  const wanted = range(4).flatMap((t) => {
    const onX = (column: number) => total(range(3).map((i) => at(0, t, i) * w(i, column))) + b(0, column);
    const onH = (column: number) => total(h.map((each, i) => each * u(i, column))) + b(1, column);
    h = range(2).map((k) => {
      const [z, r] = [sigmoid(onX(k) + onH(k)), sigmoid(onX(2 + k) + onH(2 + k))];
      return z * (h[k] ?? 0) + (1 - z) * Math.tanh(onX(4 + k) + r * onH(4 + k));
    });
    return h.map(
      (each, k) =>
        ((each - norm("moving_mean", k)) / Math.sqrt(norm("moving_variance", k) + 1e-5)) * norm("gamma", k) +
        norm("beta", k),
    );
  });
  expectClose(apply(model, fromKeras(state, shapesOf(model, 1, 4, 3)), x), wanted);
});

test("attention, whose heads have an axis", () => {
  const state: Record<string, Tensor> = {};
  for (const part of ["query", "key", "value"]) {
    state[`attention/${part}/kernel`] = random(4, 2, 2);
    state[`attention/${part}/bias`] = random(2, 2);
  }
  state["attention/attention_output/kernel"] = random(2, 2, 4);
  state["attention/attention_output/bias"] = random(4);
  const model = multiHeadAttention({ heads: 2 });
  const x = random(1, 3, 4);
  const at = reader(x);
  const leaf = (name: string) => reader(state[`attention/${name}`]);
  const projected = (part: string, t: number, head: number) =>
    range(2).map(
      (k) =>
        total(range(4).map((i) => at(0, t, i) * leaf(`${part}/kernel`)(i, head, k))) + leaf(`${part}/bias`)(head, k),
    );
  const wanted = range(3).flatMap((t) => {
    const heads = range(2).map((head) => {
      const query = projected("query", t, head);
      const scores = range(3).map((s) =>
        Math.exp(total(projected("key", s, head).map((v, i) => v * (query[i] ?? 0))) / Math.SQRT2),
      );
      return range(2).map((i) =>
        total(scores.map((e, s) => (e / total(scores)) * (projected("value", s, head)[i] ?? 0))),
      );
    });
    return range(4).map(
      (o) =>
        total(heads.flatMap((values, n) => values.map((v, k) => v * leaf("attention_output/kernel")(n, k, o)))) +
        leaf("attention_output/bias")(o),
    );
  });
  expectClose(apply(model, fromKeras(state, shapesOf(model, 1, 3, 4)), x), wanted);
});

test("a learned rectifier after a dense layer, and one that shares its slopes over an image", () => {
  const state = {
    "conv2d/kernel": random(1, 1, 2, 3),
    "conv2d/bias": random(3),
    "p_re_lu/alpha": random(1, 1, 3),
    "dense/kernel": random(12, 4),
    "dense/bias": random(4),
    "p_re_lu_1/alpha": random(4),
  };
  const layers = [conv2d({ features: 3, kernel: 1 }), prelu(), flatten, dense({ features: 4 }), prelu()] as const;
  const model = sequential(...layers);
  const own = shapesOf(model, 1, 2, 2, 2);
  const x = random(1, 2, 2, 2);
  const [image, weights, offsets, alpha] = [x, ...Object.values(state).slice(0, 3)].map(reader);
  const rectified = (value: number, slope: number) => (value > 0 ? value : slope * value);
  const hidden = range(4).flatMap((pixel) =>
    range(3).map((o) => {
      const value =
        total(range(2).map((c) => image!(0, pixel >> 1, pixel & 1, c) * weights!(0, 0, c, o))) + offsets!(o);
      return rectified(value, alpha!(0, 0, o));
    }),
  );
  const [kernel, bias, slopes] = Object.values(state).slice(3).map(reader);
  const wanted = range(4).map((o) =>
    rectified(total(hidden.map((value, i) => value * kernel!(i, o))) + bias!(o), slopes!(o)),
  );
  const parameters = fromKeras(state, own);
  expectClose(apply(model, parameters, x), wanted);

  const rename = { prelu: "p_re_lu", prelu_1: "p_re_lu_1" };
  const written = toKeras(parameters, { rename, sharedAxes: { prelu: 2 } });
  expect(Object.keys(written)).toEqual(Object.keys(state));
  for (const [name, tensor] of Object.entries(state)) {
    expect([name, written[name]?.shape, written[name]?.dataSync()]).toEqual([name, tensor.shape, tensor.dataSync()]);
  }
  const everyPixel = { ...state, "p_re_lu/alpha": random(2, 2, 3) };
  expect(() => fromKeras(everyPixel, own)).toThrow(/1 of 4 layers do not fit: prelu .*f64\[2,2,3\]/);
});

describe("what is written for Keras", () => {
  const model = define(({ layer }) => {
    const steps = [
      layer("embed", embedding({ vocabulary: 5, features: 4 })),
      layer("lstm", lstm({ features: 4 })),
      layer("gru", gru({ features: 4 })),
      layer("attend", multiHeadAttention({ heads: 2 })),
    ];
    return (x) => steps.reduce((value, step) => step(value), x);
  });
  const parameters = initialize(model, key(1), { shape: [1, 3], dtype: "i32" });

  test("is named and shaped as there, and reads back to the same values", () => {
    const state = toKeras(parameters, { heads: 2, rename: { attend: "multi_head_attention" } });
    expect(Object.fromEntries(Object.entries(state).map(([name, { shape }]) => [name, shape.join()]))).toMatchObject({
      "embed/embeddings": "5,4",
      "lstm/recurrent_kernel": "4,16",
      "lstm/bias": "16",
      "gru/bias": "2,12",
      "multi_head_attention/key/kernel": "4,2,2",
      "multi_head_attention/query/bias": "2,2",
      "multi_head_attention/attention_output/kernel": "2,2,4",
    });
    const back = fromKeras(state, parameters);
    for (const [name, wanted] of Object.entries(parameters)) {
      expect([name, back[name]?.dataSync()]).toEqual([name, wanted.dataSync()]);
    }
  });
  test("needs the number of heads for attention", () => {
    expect(() => toKeras(parameters)).toThrow(ParameterError);
    expect(() => toKeras(parameters)).toThrow(/attend: Keras lays attention out by heads/);
  });
  test("has transposed and depthwise kernels with their axes exchanged", () => {
    const images = sequential(
      conv2d({ features: 3, kernel: 2 }),
      depthwiseConv2d({ kernel: 2 }),
      conv2dTranspose({ features: 5, kernel: 2 }),
    );
    const own = shapesOf(images, 1, 4, 4, 2);
    const state = toKeras(own);
    expect(state["conv2d/kernel"]?.shape).toEqual([2, 2, 2, 3]);
    expect(state["depthwiseConv2d/kernel"]?.shape).toEqual([2, 2, 3, 1]);
    expect(state["conv2dTranspose/kernel"]?.shape).toEqual([2, 2, 5, 3]);
    const back = fromKeras(state, own);
    for (const [name, wanted] of Object.entries(own)) expect(back[name]?.dataSync()).toEqual(wanted.dataSync());
  });
});
