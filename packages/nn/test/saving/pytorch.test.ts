/** Models converted from PyTorch compute what PyTorch's definitions say, written here as plain loops. */
import { describe, expect, test } from "vitest";
import type { Tensor } from "@weft/tensor";
import { key, normal, tensor } from "@weft/tensor";
import type { LayerLike, Parameters } from "@weft/nn";
import {
  apply,
  batchNorm,
  bidirectional,
  conv1d,
  conv2d,
  conv2dTranspose,
  define,
  dense,
  depthwiseConv2d,
  embedding,
  flatten,
  gru,
  initialize,
  layerNorm,
  lstm,
  multiHeadAttention,
  relu,
  reshape,
  rnn,
  sequential,
} from "@weft/nn";
import { fromPyTorch, toPyTorch } from "@weft/nn/saving";

let seed = 0;
/** Normal values, other ones at every call. */
const random = (...shape: number[]): Tensor => normal(key(seed++), shape, { dtype: "f64" });
const shapesOf = (model: LayerLike, ...shape: number[]): Parameters =>
  initialize(model, key(0), { shape, dtype: "f64" });

/** Values of a tensor by index. */
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

/** x[c][h][w] of one image, weight [out, in/groups, kh, kw], padding 1, stride 1. */
function torchConv(x: Tensor, weight: Tensor | undefined, bias: Tensor | undefined, groups = 1): number[] {
  const [at, w, b] = [reader(x), reader(weight), reader(bias)];
  const [height = 0, width = 0] = x.shape.slice(-2);
  const [out = 0, per = 0] = weight?.shape ?? [];
  const inside = (i: number, size: number) => i >= 0 && i < size;
  return range(out).flatMap((o) =>
    range(height).flatMap((i) =>
      range(width).map((j) => {
        const first = Math.floor(o / (out / groups)) * per;
        const terms = range(per).flatMap((c) =>
          range(9).map((k) => {
            const [u, v] = [i + Math.floor(k / 3) - 1, j + (k % 3) - 1];
            return inside(u, height) && inside(v, width)
              ? at(0, first + c, u, v) * w(o, c, Math.floor(k / 3), k % 3)
              : 0;
          }),
        );
        return total(terms) + b(o);
      }),
    ),
  );
}

/** [1, c, h, w] → [1, h, w, c] */
const channelsLast = (x: Tensor) => x.transpose([0, 2, 3, 1]);

test("a convolution, a flattening and a linear layer", () => {
  const state = {
    "0.weight": random(3, 2, 3, 3),
    "0.bias": random(3),
    "3.weight": random(5, 3 * 4 * 6),
    "3.bias": random(5),
  };
  const model = sequential(conv2d({ features: 3, kernel: 3, padding: "same" }), relu, flatten, dense({ features: 5 }));
  const x = random(1, 2, 4, 6);
  const parameters = fromPyTorch(state, shapesOf(model, 1, 4, 6, 2), { flattened: { dense: [4, 6, 3] } });
  const hidden = torchConv(x, state["0.weight"], state["0.bias"]).map((value) => Math.max(0, value));
  const [w, b] = [reader(state["3.weight"]), reader(state["3.bias"])];
  const wanted = range(5).map((o) => total(hidden.map((value, i) => value * w(o, i))) + b(o));
  expectClose(apply(model, parameters, channelsLast(x)), wanted);
});

test("grouped and depthwise convolutions", () => {
  const x = random(1, 4, 3, 3);
  for (const [groups, model] of [
    [2, conv2d({ features: 6, kernel: 3, padding: "same", groups: 2 })],
    [4, depthwiseConv2d({ kernel: 3, padding: "same", multiplier: 2 })],
  ] as const) {
    const out = groups === 2 ? 6 : 8;
    const state = { weight: random(out, 4 / groups, 3, 3), bias: random(out) };
    const parameters = fromPyTorch(state, shapesOf(model, 1, 3, 3, 4));
    const y = apply(model, parameters, channelsLast(x)).transpose([0, 3, 1, 2]);
    expectClose(y, torchConv(x, state.weight, state.bias, groups));
  }
});

test.each([[2], [3]])("a transposed convolution from 3 to %i channels after a linear layer", (features) => {
  const [height, width] = [2, 3];
  const model = sequential(
    dense({ features: height * width * 3 }),
    reshape([height, width, 3]),
    conv2dTranspose({ features, kernel: 2, stride: 2 }),
  );
  const state = {
    "fc.weight": random(height * width * 3, 4),
    "fc.bias": random(height * width * 3),
    "up.weight": random(3, features, 2, 2),
    "up.bias": random(features),
  };
  const parameters = fromPyTorch(state, shapesOf(model, 1, 4), { unflattened: { dense: [height, width, 3] } });
  const x = random(1, 4);
  const [at, w, b] = [reader(x), reader(state["fc.weight"]), reader(state["fc.bias"])];
  const hidden = range(height * width * 3).map((o) => total(range(4).map((i) => at(0, i) * w(o, i))) + b(o));
  const [up, offset] = [reader(state["up.weight"]), reader(state["up.bias"])];
  // Of stride 2 with a kernel of 2, every output has one input position.
  const wanted = range(features).flatMap((o) =>
    range(2 * height).flatMap((i) =>
      range(2 * width).map((j) => {
        const place = (c: number) => (c * height + Math.floor(i / 2)) * width + Math.floor(j / 2);
        return total(range(3).map((c) => (hidden[place(c)] ?? NaN) * up(c, o, i % 2, j % 2))) + offset(o);
      }),
    ),
  );
  expectClose(apply(model, parameters, x).transpose([0, 3, 1, 2]), wanted);
});

/** One direction over x [time][in]; names of leaves end in `suffix`. */
function torchLstm(x: number[][], state: Record<string, Tensor>, suffix: string): number[][] {
  const leaf = (name: string) => reader(state[`lstm.${name}_${suffix}`]);
  const [wi, wh, bi, bh] = [leaf("weight_ih"), leaf("weight_hh"), leaf("bias_ih"), leaf("bias_hh")];
  const size = state[`lstm.weight_hh_${suffix}`]?.shape[1] ?? 0;
  let [h, c] = [range(size).map(() => 0), range(size).map(() => 0)];
  return x.map((xt) => {
    const gate = (block: number, k: number) => {
      const row = block * size + k;
      const products = total(xt.map((value, i) => value * wi(row, i))) + total(h.map((value, i) => value * wh(row, i)));
      return products + bi(row) + bh(row);
    };
    c = range(size).map((k) => sigmoid(gate(1, k)) * (c[k] ?? 0) + sigmoid(gate(0, k)) * Math.tanh(gate(2, k)));
    h = range(size).map((k) => sigmoid(gate(3, k)) * Math.tanh(c[k] ?? 0));
    return h;
  });
}

test("an embedding and a stacked bidirectional LSTM", () => {
  const state: Record<string, Tensor> = { "embed.weight": random(7, 3) };
  for (const [layer, inputs] of [3, 8].entries()) {
    for (const suffix of [`l${layer}`, `l${layer}_reverse`]) {
      state[`lstm.weight_ih_${suffix}`] = random(16, inputs);
      state[`lstm.weight_hh_${suffix}`] = random(16, 4);
      state[`lstm.bias_ih_${suffix}`] = random(16);
      state[`lstm.bias_hh_${suffix}`] = random(16);
    }
  }
  const model = sequential(
    embedding({ vocabulary: 7, features: 3 }),
    bidirectional(lstm({ features: 4 })),
    bidirectional(lstm({ features: 4 })),
  );
  const ids = [3, 0, 6, 2, 2];
  const parameters = fromPyTorch(state, initialize(model, key(0), { shape: [1, ids.length], dtype: "i32" }));
  const table = reader(state["embed.weight"]);
  let x = ids.map((id) => range(3).map((k) => table(id, k)));
  for (const layer of [0, 1]) {
    const ahead = torchLstm(x, state, `l${layer}`);
    const back = torchLstm(x.toReversed(), state, `l${layer}_reverse`).toReversed();
    x = x.map((_, t) => [...(ahead[t] ?? []), ...(back[t] ?? [])]);
  }
  const inF64 = Object.fromEntries(Object.entries(parameters).map(([name, each]) => [name, each.dtype]));
  expect(new Set(Object.values(inF64))).toEqual(new Set(["f32"]));
  const got = [...apply(model, parameters, tensor([ids], { dtype: "i32" })).dataSync()];
  x.flat().forEach((wanted, i) => {
    expect(got[i]).toBeCloseTo(wanted, 5);
  });
});

test("a GRU and a simple recurrent layer", () => {
  const x = random(1, 4, 3);
  const at = reader(x);
  const state: Record<string, Tensor> = {
    "gru.weight_ih_l0": random(6, 3),
    "gru.weight_hh_l0": random(6, 2),
    "gru.bias_ih_l0": random(6),
    "gru.bias_hh_l0": random(6),
    "rnn.weight_ih_l0": random(2, 2),
    "rnn.weight_hh_l0": random(2, 2),
    "rnn.bias_ih_l0": random(2),
    "rnn.bias_hh_l0": random(2),
  };
  const model = sequential(gru({ features: 2 }), rnn({ features: 2 }));
  const leaf = (name: string) => reader(state[name]);
  let [h, s] = [
    [0, 0],
    [0, 0],
  ];
  const wanted = range(4).flatMap((t) => {
    const on = (kind: "ih" | "hh", values: number[], row: number, module: string) =>
      total(values.map((value, i) => value * leaf(`${module}.weight_${kind}_l0`)(row, i))) +
      leaf(`${module}.bias_${kind}_l0`)(row);
    const xt = range(3).map((i) => at(0, t, i));
    h = range(2).map((k) => {
      const gate = (block: number) => on("ih", xt, 2 * block + k, "gru") + on("hh", h, 2 * block + k, "gru");
      const [r, z] = [sigmoid(gate(0)), sigmoid(gate(1))];
      const n = Math.tanh(on("ih", xt, 4 + k, "gru") + r * on("hh", h, 4 + k, "gru"));
      return (1 - z) * n + z * (h[k] ?? 0);
    });
    s = range(2).map((k) => Math.tanh(on("ih", h, k, "rnn") + on("hh", s, k, "rnn")));
    return s;
  });
  expectClose(apply(model, fromPyTorch(state, shapesOf(model, 1, 4, 3)), x), wanted);
});

test("attention with two heads after a layer norm", () => {
  const state: Record<string, Tensor> = {
    "norm.weight": random(4),
    "norm.bias": random(4),
    "attn.in_proj_weight": random(12, 4),
    "attn.in_proj_bias": random(12),
    "attn.out_proj.weight": random(4, 4),
    "attn.out_proj.bias": random(4),
  };
  const model = sequential(layerNorm(), multiHeadAttention({ heads: 2 }));
  const x = random(1, 3, 4);
  const at = reader(x);
  const leaf = (name: string) => reader(state[name]);
  const normed = range(3).map((t) => {
    const row = range(4).map((i) => at(0, t, i));
    const mean = total(row) / 4;
    const spread = Math.sqrt(total(row.map((v) => (v - mean) ** 2)) / 4 + 1e-5);
    return row.map((v, i) => ((v - mean) / spread) * leaf("norm.weight")(i) + leaf("norm.bias")(i));
  });
  const projected = (block: number, t: number) =>
    range(4).map((k) => {
      const row = 4 * block + k;
      const product = total((normed[t] ?? []).map((v, i) => v * leaf("attn.in_proj_weight")(row, i)));
      return product + leaf("attn.in_proj_bias")(row);
    });
  const wanted = range(3).flatMap((t) => {
    const joint = range(2).flatMap((head) => {
      const part = (values: number[]) => values.slice(2 * head, 2 * head + 2);
      const query = part(projected(0, t));
      const scores = range(3).map((s) =>
        Math.exp(total(part(projected(1, s)).map((v, i) => v * (query[i] ?? 0))) / Math.SQRT2),
      );
      return range(2).map((i) => total(scores.map((e, s) => (e / total(scores)) * (part(projected(2, s))[i] ?? 0))));
    });
    return range(4).map(
      (o) => total(joint.map((v, i) => v * leaf("attn.out_proj.weight")(o, i))) + leaf("attn.out_proj.bias")(o),
    );
  });
  expectClose(apply(model, fromPyTorch(state, shapesOf(model, 1, 3, 4)), x), wanted);
});

test("batch norm with its running statistics, and a convolution over time", () => {
  const state: Record<string, Tensor> = {
    "conv.weight": random(2, 3, 2),
    "bn.weight": random(2),
    "bn.bias": random(2),
    "bn.running_mean": random(2),
    "bn.running_var": random(2).square(),
    "bn.num_batches_tracked": tensor(7, { dtype: "i32" }),
  };
  const model = sequential(conv1d({ features: 2, kernel: 2, useBias: false }), batchNorm());
  const x = random(1, 5, 3);
  const at = reader(x);
  const leaf = (name: string) => reader(state[name]);
  const wanted = range(4).flatMap((t) =>
    range(2).map((o) => {
      const y = total(range(6).map((k) => at(0, t + (k % 2), k >> 1) * leaf("conv.weight")(o, k >> 1, k % 2)));
      const normed = (y - leaf("bn.running_mean")(o)) / Math.sqrt(leaf("bn.running_var")(o) + 1e-5);
      return normed * leaf("bn.weight")(o) + leaf("bn.bias")(o);
    }),
  );
  expectClose(apply(model, fromPyTorch(state, shapesOf(model, 1, 5, 3)), x), wanted);
});

describe("matching", () => {
  const model = define(({ layer }) => {
    const [first, second] = [layer("first", dense({ features: 3 })), layer("second", dense({ features: 3 }))];
    return (x) => second(first(x));
  });
  const parameters = shapesOf(model, 1, 3);
  const linear = () => ({ weight: random(3, 3), bias: random(3) });
  const [a, b] = [linear(), linear()];
  const of = (names: readonly [string, string]) => ({
    [`${names[0]}.bias`]: a.bias,
    [`${names[0]}.weight`]: a.weight,
    [`${names[1]}.bias`]: b.bias,
    [`${names[1]}.weight`]: b.weight,
  });
  const firstBias = (read: Parameters) => read["first.bias"]?.dataSync();

  test("names that agree go before the order", () => {
    expect(firstBias(fromPyTorch(of(["second", "first"]), parameters))).toEqual(b.bias.dataSync());
  });
  test("what is left by names that agree goes in order", () => {
    expect(firstBias(fromPyTorch(of(["alpha", "first"]), parameters))).toEqual(b.bias.dataSync());
  });
  test("numbers come in their order, other names as they are", () => {
    expect(firstBias(fromPyTorch(of(["net.10", "net.2"]), parameters))).toEqual(b.bias.dataSync());
    expect(firstBias(fromPyTorch(of(["zeta", "alpha"]), parameters))).toEqual(a.bias.dataSync());
  });
  test("a renaming is a table or a function", () => {
    const rename = { net1: "second", net2: "first" };
    expect(firstBias(fromPyTorch(of(["net1", "net2"]), parameters, { rename }))).toEqual(b.bias.dataSync());
    const state = of(["model.second", "model.first"]);
    const read = fromPyTorch(state, parameters, { rename: (name) => name.replace("model.", "") });
    expect(firstBias(read)).toEqual(b.bias.dataSync());
  });
  test("what is left on either side is listed", () => {
    const state = { ...of(["first", "head"]), "extra.weight": random(2, 2) };
    expect(() => fromPyTorch(state, parameters)).toThrow(
      /fromPyTorch: 2 layers of the model and 3 of the file .*left in the model: second \(kernel f64\[3,3\], bias f64\[3\]\); left in the file: head \(.*; extra \(weight f64\[2,2\]\); give rename/,
    );
    expect(() => fromPyTorch(of(["first", "head"]), parameters, { rename: {} })).toThrow(
      /left in the model: second \(.*\); left in the file: head \(/,
    );
  });
  test("shapes that differ and biases on one side only are listed", () => {
    const wrong = { ...of(["first", "second"]), "second.weight": random(3, 2) };
    expect(() => fromPyTorch(wrong, parameters)).toThrow(
      /1 of 2 layers do not fit: second \(kernel f64\[3,3\], bias f64\[3\]\) from second \(bias f64\[3\], weight f64\[3,2\]\)/,
    );
    const missing = Object.entries(of(["first", "second"])).filter(([name]) => name !== "second.bias");
    expect(() => fromPyTorch(Object.fromEntries(missing), parameters)).toThrow(/1 of 2 layers do not fit: second/);
  });
  test("an image that does not fit its dense layer is refused", () => {
    expect(() => fromPyTorch(of(["first", "second"]), parameters, { flattened: { first: [2, 2, 1] } })).toThrow(
      /first: a kernel f64\[3,3\] does not join images of \{"flattened":\[2,2,1\]\}/,
    );
  });
});

test("what is written for PyTorch is named and shaped as there, and reads back to the same values", () => {
  const model = sequential(
    conv2d({ features: 4, kernel: 3, stride: 2 }),
    batchNorm(),
    conv2dTranspose({ features: 4, kernel: 2 }),
    flatten,
    dense({ features: 6 }),
    define(
      ({ parameter }) =>
        (x) =>
          x.add(parameter("offset", [6], (_, shape) => normal(key(9), shape))),
    ),
    reshape([3, 2]),
    gru({ features: 4 }),
    bidirectional(lstm({ features: 4 })),
    multiHeadAttention({ heads: 2 }),
  );
  const parameters = Object.fromEntries(
    Object.entries(shapesOf(model, 1, 7, 9, 2)).map(([name, { shape }]) => [name, random(...shape)]),
  );
  const options = { flattened: { dense: [4, 5, 4] } };
  const state = toPyTorch(parameters, options);
  expect(Object.fromEntries(Object.entries(state).map(([name, { shape }]) => [name, shape.join()]))).toEqual({
    "conv2d.weight": "4,2,3,3",
    "conv2d.bias": "4",
    "batchNorm.weight": "4",
    "batchNorm.bias": "4",
    "batchNorm.running_mean": "4",
    "batchNorm.running_var": "4",
    "conv2dTranspose.weight": "4,4,2,2",
    "conv2dTranspose.bias": "4",
    "dense.weight": "6,80",
    "dense.bias": "6",
    "layer.offset": "6",
    "gru.weight_ih_l0": "12,2",
    "gru.weight_hh_l0": "12,4",
    "gru.bias_ih_l0": "12",
    "gru.bias_hh_l0": "12",
    "bidirectional.forward.weight_ih_l0": "16,4",
    "bidirectional.forward.weight_hh_l0": "16,4",
    "bidirectional.forward.bias_ih_l0": "16",
    "bidirectional.forward.bias_hh_l0": "16",
    "bidirectional.backward.weight_ih_l0": "16,4",
    "bidirectional.backward.weight_hh_l0": "16,4",
    "bidirectional.backward.bias_ih_l0": "16",
    "bidirectional.backward.bias_hh_l0": "16",
    "multiHeadAttention.in_proj_weight": "24,8",
    "multiHeadAttention.in_proj_bias": "24",
    "multiHeadAttention.out_proj.weight": "8,8",
    "multiHeadAttention.out_proj.bias": "8",
  });
  const back = fromPyTorch(state, parameters, options);
  for (const [name, wanted] of Object.entries(parameters)) {
    expect([name, back[name]?.dataSync()]).toEqual([name, wanted.dataSync()]);
  }
  const rename = { "bidirectional.forward": "lstm.l0", "bidirectional.backward": "lstm.l0_reverse" };
  const names = Object.keys(toPyTorch(parameters, { ...options, rename })).filter((name) => name.startsWith("lstm"));
  expect(names.slice(3, 5)).toEqual(["lstm.bias_hh_l0", "lstm.weight_ih_l0_reverse"]);
});
