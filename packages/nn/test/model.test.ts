import { describe, expect, test } from "vitest";
import type { Tensor } from "@weft/tensor";
import { ShapeError, grad, key, ones, tensor, trace, vmap, zeros } from "@weft/tensor";
import {
  ModelError,
  ParameterError,
  apply,
  constant,
  conv2d,
  define,
  dense,
  dropout,
  flatten,
  initialize,
  maxPool2d,
  avgPool2d,
  normal,
  relu,
  sequential,
  softmaxCrossEntropy,
  times,
} from "@weft/nn";
import { summarize, summaryLine } from "@weft/nn/summary";

const mnistNetwork = sequential(
  conv2d({ features: 32, kernel: 3 }),
  relu,
  maxPool2d({ window: 2 }),
  flatten,
  dense({ features: 128 }),
  relu,
  dropout({ rate: 0.5 }),
  dense({ features: 10 }),
);
const mnistImages = { shape: [1, 28, 28, 1], dtype: "f32" } as const;

const shapes = (parameters: Record<string, Tensor>) =>
  Object.entries(parameters).map(([name, { shape }]) => `${name} ${shape.join("x")}`);

describe("initialize", () => {
  test("names parameters by path and infers their shapes from the input", () => {
    expect(shapes(initialize(mnistNetwork, key(0), mnistImages))).toEqual([
      "conv2d.kernel 3x3x1x32",
      "conv2d.bias 32",
      "dense.kernel 5408x128",
      "dense.bias 128",
      "dense_1.kernel 128x10",
      "dense_1.bias 10",
    ]);
  });

  test("joins the names of nested layers by dots", () => {
    const block = define(({ layer, parameter }) => {
      const inner = layer("inner", sequential(dense({ features: 4 }), relu, dense({ features: 3, useBias: false })));
      return (x) => inner(x).mul(parameter("scale", [3], constant(1)));
    });
    const model = define(({ layer }) => {
      const blocks = times(2, (i) => layer(`block${i}`, block));
      return (x) => blocks.reduce((value, each) => each(value), x);
    });
    expect(shapes(initialize(model, key(0), { shape: [1, 3], dtype: "f32" }))).toEqual(
      [0, 1].flatMap((i) => [
        `block${i}.inner.dense.kernel 3x4`,
        `block${i}.inner.dense.bias 4`,
        `block${i}.inner.dense_1.kernel 4x3`,
        `block${i}.scale 3`,
      ]),
    );
  });

  test("gives the same values for the same key, others for another, and no two parameters alike", () => {
    const model = sequential(dense({ features: 4 }), dense({ features: 4 }));
    const values = (seed: number) => {
      const parameters = initialize(model, key(seed), { shape: [1, 4], dtype: "f32" });
      return Object.values(parameters).map((parameter) => parameter.dataSync());
    };
    expect(values(1)).toEqual(values(1));
    expect(values(1)[0]).not.toEqual(values(2)[0]);
    expect(values(1)[0]).not.toEqual(values(1)[2]);
    expect(values(1)[1]).toEqual(new Float32Array(4));
  });

  test("takes a batch itself, and gives parameters of its dtype", () => {
    const parameters = initialize(dense({ features: 2 }), key(0), zeros([1, 3], { dtype: "f64" }));
    expect(Object.values(parameters).map(({ dtype }) => dtype)).toEqual(["f64", "f64"]);
    const table = define(
      ({ parameter }) =>
        (ids) =>
          parameter("table", [5, 2], normal({ std: 1 })).embedding(ids),
    );
    expect(initialize(table, key(0), { shape: [1, 3], dtype: "i32" })["table"]?.dtype).toBe("f32");
  });

  test("can be traced to a Program from the key", () => {
    const program = trace(
      (from) => Object.values(initialize(mnistNetwork, from, mnistImages)),
      [{ shape: [2], dtype: "u32" }],
    );
    expect(program.outputs).toHaveLength(6);
  });
});

describe("apply", () => {
  test("runs the layers in order", () => {
    const model = sequential(dense({ features: 2 }), relu, dense({ features: 1 }));
    const parameters = {
      "dense.kernel": tensor([
        [1, -1],
        [2, -2],
      ]),
      "dense.bias": tensor([0.5, 0.5]),
      "dense_1.kernel": tensor([[10], [1]]),
      "dense_1.bias": tensor([3]),
    };
    expect([...apply(model, parameters, tensor([[1, 1]])).dataSync()]).toEqual([38]);
    expect([...apply(model, parameters, tensor([[-1, -1]])).dataSync()]).toEqual([6.5]);
  });

  test("a layer that is called twice shares its parameters", () => {
    const model = define(({ layer }) => {
      const step = layer("step", dense({ features: 1, useBias: false }));
      return (x) => step(step(x));
    });
    expect(shapes(initialize(model, key(0), { shape: [1, 1], dtype: "f32" }))).toEqual(["step.kernel 1x1"]);
    expect(apply(model, { "step.kernel": tensor([[3]]) }, tensor([[2]])).itemSync()).toBe(18);
  });

  test("gives the gradient by each parameter, of one example at a time too", () => {
    const model = sequential(flatten, dense({ features: 3 }));
    const parameters = initialize(model, key(3), { shape: [1, 2, 2], dtype: "f32" });
    const x = tensor([
      [
        [1, 2],
        [3, 4],
      ],
      [
        [0, -1],
        [1, 0],
      ],
    ]);
    const labels = tensor([2, 0], { dtype: "i32" });
    const loss = (weights: Record<string, Tensor>, input: Tensor, target: Tensor) =>
      softmaxCrossEntropy(apply(model, weights, input), target);
    const whole = grad(loss)(parameters, x, labels)["dense.kernel"]?.dataSync() ?? [];
    const one = (weights: Record<string, Tensor>, input: Tensor, target: Tensor) =>
      grad(loss)(weights, input.expandDims(0), target.expandDims(0));
    const each = vmap(one, { in: [null, 0, 0] })(parameters, x, labels)["dense.kernel"];
    expect(each?.shape).toEqual([2, 4, 3]);
    const mean = each?.mean({ axis: 0 }).dataSync() ?? [];
    Array.from(whole, (value, i) => expect(mean[i]).toBeCloseTo(value, 6));
  });

  test("a missing parameter is named, with those that are there", () => {
    expect(() => apply(dense({ features: 2 }), { kernel: zeros([3, 2]) }, zeros([1, 3]))).toThrow(
      /bias: expected a parameter of shape \[2\], got none; there are kernel; take them from initialize/,
    );
    expect(() => apply(dense({ features: 2 }), {}, zeros([1, 3]))).toThrow(ParameterError);
  });

  test("an input that does not fit the parameters is refused by the parameter's name", () => {
    const parameters = initialize(mnistNetwork, key(0), mnistImages);
    expect(() => apply(mnistNetwork, parameters, zeros([1, 30, 30, 1]))).toThrow(
      /dense.kernel: expected shape \[6272, 128\] for this input, got \[5408, 128\]; give inputs shaped as at init/,
    );
  });
});

describe("dropout", () => {
  const model = sequential(dropout({ rate: 0.25 }), dropout({ rate: 0 }));
  const x = ones([100, 100]);

  test("lets all pass when not training", () => {
    expect(apply(model, {}, x)).toBe(x);
  });

  test("drops its share while training and scales up the rest", () => {
    const values = apply(model, {}, x, { training: true, key: key(1) }).dataSync();
    const dropped = values.filter((value) => value === 0).length;
    expect(Math.abs(dropped / 10_000 - 0.25)).toBeLessThan(0.02);
    expect(values.every((value) => value === 0 || Math.abs(value - 4 / 3) < 1e-6)).toBe(true);
  });

  test("draws anew for every key, and apart in every layer", () => {
    const twice = define(({ layer }) => {
      const [first, second] = [layer("first", dropout({ rate: 0.5 })), layer("second", dropout({ rate: 0.5 }))];
      return (value) => first(value).sub(second(value));
    });
    const draw = (seed: number) => apply(model, {}, x, { training: true, key: key(seed) }).dataSync();
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
    const difference = apply(twice, {}, x, { training: true, key: key(1) }).dataSync();
    expect(difference.some((value) => value !== 0)).toBe(true);
  });

  test("asks for a key while training", () => {
    expect(() =>
      apply(mnistNetwork, initialize(mnistNetwork, key(0), mnistImages), zeros([1, 28, 28, 1]), { training: true }),
    ).toThrow(
      /dropout: needs a random key; call apply\(model, parameters, input, { training: true, key: key\(seed\) }\)/,
    );
  });
});

describe("conv2d and pooling", () => {
  const output = (model: Parameters<typeof summarize>[0], ...shape: number[]) =>
    summarize(model, { shape: [2, ...shape], dtype: "f32" }).output;

  test("padding, stride, dilation and groups give the shapes they name", () => {
    expect(output(conv2d({ features: 4, kernel: [3, 5] }), 9, 9, 2)).toEqual([7, 5, 4]);
    expect(output(conv2d({ features: 4, kernel: 3, padding: "same", stride: 2 }), 9, 9, 2)).toEqual([5, 5, 4]);
    expect(output(conv2d({ features: 4, kernel: 3, padding: [[0, 1], 2] }), 9, 9, 2)).toEqual([8, 11, 4]);
    expect(output(conv2d({ features: 4, kernel: 3, dilation: 2 }), 9, 9, 2)).toEqual([5, 5, 4]);
    const grouped = conv2d({ features: 4, kernel: 3, groups: 2, useBias: false });
    expect(shapes(initialize(grouped, key(0), { shape: [1, 9, 9, 2], dtype: "f32" }))).toEqual(["kernel 3x3x1x4"]);
    expect(output(maxPool2d({ window: 2 }), 9, 9, 2)).toEqual([4, 4, 2]);
    expect(output(avgPool2d({ window: 3, stride: 2, padding: "same" }), 9, 9, 2)).toEqual([5, 5, 2]);
  });

  test("the mean of a window leaves padding out", () => {
    const pooled = apply(avgPool2d({ window: 2, padding: "same" }), {}, ones([1, 3, 3, 1])).dataSync();
    expect([...pooled]).toEqual([1, 1, 1, 1]);
  });
});

describe("mistakes say what to do", () => {
  const input = (...shape: number[]) => ({ shape, dtype: "f32" }) as const;
  test.each([
    [dense({ features: 3 }), input(4), /dense: expected \[batch, features\].* got f32\[4\]; add a batch axis/],
    [dense({ features: 3 }), input(1, 8, 8, 2), /put flatten before it, or use conv2d with kernel: 1/],
    [
      conv2d({ features: 3, kernel: 3 }),
      input(1, 8, 8),
      /conv2d: expected \[batch, height, width, channels\], got f32\[1,8,8\]; add a/,
    ],
    [conv2d({ features: 4, kernel: 3, groups: 2 }), input(1, 8, 8, 3), /3 channels, which do not divide into 2 groups/],
    [conv2d({ features: 4, kernel: 9 }), input(1, 8, 8, 3), /window of 9 does not fit an axis of 8/],
  ])("a wrong input (%#)", (model, type, message) => {
    expect(() => initialize(model, key(0), type)).toThrow(message);
    expect(() => initialize(model, key(0), type)).toThrow(ShapeError);
  });

  test.each([
    [() => dense({ features: 0 }), /dense: features must be a whole number of at least 1, got 0/],
    [() => conv2d({ features: 3, kernel: [3, 0] }), /conv2d: kernel must be .* got \[3,0\]/],
    [() => conv2d({ features: 3, kernel: 3, groups: 2 }), /3 features do not divide into 2 groups/],
    [() => maxPool2d({ window: 1.5 }), /maxPool2d: window/],
    [() => dense({} as never), /dense: features must .* got undefined; as in { features: 2 }/],
    [() => maxPool2d(2 as never), /maxPool2d: window must .* got undefined/],
    [() => sequential([relu] as never), /expected a layer or a function, got a list; as in sequential\(dense/],
    [() => sequential(relu, "relu" as never), /expected a layer or a function, got "relu"/],
    [() => sequential(relu, undefined as never), /expected a layer or a function, got undefined/],
    [() => dropout({ rate: 1 }), /dropout: rate must be a number of at least 0 and below 1, got 1/],
  ])("a wrong setting (%#)", (make, message) => {
    expect(make).toThrow(message);
    expect(make).toThrow(ModelError);
  });

  test("two layers of one name", () => {
    const model = define(({ layer }) => {
      const [a, b] = [layer("a", relu), layer("a", relu)];
      return (x) => a(b(x));
    });
    expect(() => apply(model, {}, zeros([1]))).toThrow(/a: two layers have this name; give each its own/);
  });

  test("a name with a dot", () => {
    const model = define(
      ({ parameter }) =>
        (x) =>
          x.add(parameter("a.b", [1], constant(0))),
    );
    expect(() => initialize(model, key(0), input(1))).toThrow(/expected a name without dots, got "a.b"/);
  });
});

describe("summarize", () => {
  test("tells each layer's kind, shapes and parameters", () => {
    const { layers, parameters } = summarize(mnistNetwork, mnistImages);
    expect(parameters).toBe(693_962);
    expect(
      layers.map(({ path, kind, output, parameters: own }) => `${path} ${kind} ${output.join("x")} ${own}`),
    ).toEqual([
      "conv2d conv2d 26x26x32 320",
      "relu relu 26x26x32 0",
      "maxPool2d maxPool2d 13x13x32 0",
      "flatten flatten 5408 0",
      "dense dense 128 692352",
      "relu_1 relu 128 0",
      "dropout dropout 128 0",
      "dense_1 dense 10 1290",
    ]);
  });

  test("fits a line", () => {
    expect(summaryLine(summarize(mnistNetwork, mnistImages))).toBe("conv2d 28×28×1 → 26×26×32 → … → 10");
    expect(summaryLine(summarize(dense({ features: 3 }), { shape: [1, 2], dtype: "f32" }))).toBe("dense 2 → 3");
    const two = sequential(dense({ features: 3 }), dense({ features: 1 }));
    expect(summaryLine(summarize(two, { shape: [1, 2], dtype: "f32" }))).toBe("dense 2 → 3 → 1");
  });
});
