/** Layers along sequences: recurrent ones, attention, and what they remember between parts. */
import { describe, expect, test } from "vitest";
import type { Program, Tensor } from "@weft/tensor";
import {
  ShapeError,
  adopt,
  apply as applyProgram,
  concat,
  grad,
  key,
  normal as draw,
  randomInt,
  tensor,
  trace,
  vmap,
  zeros,
} from "@weft/tensor";
import { decode, encode } from "@weft/tensor/programs";
import type { Layer, LayerLike, State } from "@weft/nn";
import {
  ModelError,
  ParameterError,
  apply,
  applyWithState,
  attention,
  bidirectional,
  define,
  dense,
  embedding,
  gru,
  initialState,
  initialize,
  layerNorm,
  lstm,
  multiHeadAttention,
  normal,
  positionalEmbedding,
  relu,
  rmsNorm,
  rnn,
  sequential,
  softmaxCrossEntropy,
  times,
  transformerBlock,
} from "@weft/nn";

const x = draw(key(1), [2, 5, 3], { dtype: "f64" });
const valuesOf = (tensors: Tensor) => [...tensors.dataSync()];
function expectClose(got: Tensor, wanted: Tensor, digits = 12): void {
  expect(got.shape).toEqual(wanted.shape);
  const exact = valuesOf(wanted);
  valuesOf(got).forEach((value, i) => expect(value).toBeCloseTo(exact[i] ?? NaN, digits));
}

/** The model run over parts of the sequence of these lengths, put together again. */
function inParts(
  model: LayerLike,
  [parameters, input]: readonly [Record<string, Tensor>, Tensor],
  lengths: readonly number[],
): { output: Tensor; state: State } {
  let state = initialState(model, input, { length: input.shape[1] ?? 0 });
  const outputs = input.split(lengths, 1).map((part) => {
    const applied = applyWithState(model, parameters, part, { state });
    ({ state } = applied);
    return applied.output;
  });
  return { output: concat(outputs, 1), state };
}

const recurrent: readonly (readonly [string, Layer])[] = [
  ["rnn", rnn({ features: 4 })],
  ["rnn of relu", rnn({ features: 4, activation: relu })],
  ["lstm", lstm({ features: 4 })],
  ["gru", gru({ features: 4 })],
  ["lstm without biases", lstm({ features: 4, useBias: false })],
  ["gru without biases", gru({ features: 4, useBias: false })],
  ["a stack", sequential(lstm({ features: 4 }), gru({ features: 3 }), dense({ features: 2 }))],
];

describe.each(recurrent)("%s", (_, model) => {
  const parameters = initialize(model, key(2), x);

  test("gives the same in parts as whole", () => {
    expectClose(inParts(model, [parameters, x], [2, 1, 2]).output, apply(model, parameters, x));
  });

  test("has per-example gradients that are those of each example", () => {
    const loss = (weights: Record<string, Tensor>, input: Tensor) =>
      apply(model, weights, input.expandDims(0)).square().sum();
    const each = vmap(grad(loss), { in: [null, 0] })(parameters, x);
    for (const [name, gradient] of Object.entries(each)) {
      [0, 1].forEach((i) => expectClose(gradient.at(i), grad(loss)(parameters, x.at(i))[name] as Tensor, 10));
    }
  });
});

describe("recurrent layers", () => {
  test("give every step, or the last alone", () => {
    const parameters = initialize(lstm({ features: 4 }), key(2), x);
    const all = apply(lstm({ features: 4 }), parameters, x);
    expect(all.shape).toEqual([2, 5, 4]);
    expectClose(apply(lstm({ features: 4, output: "last" }), parameters, x), all.at(null, -1));
  });

  test("keep only the state's product in the loop", async () => {
    const model = lstm({ features: 4 });
    const parameters = initialize(model, key(2), x);
    await Promise.all(Object.values(parameters).map((parameter) => parameter.data()));
    const program = trace((input) => apply(model, parameters, input), [{ shape: x.shape, dtype: "f64" }]);
    const dots = ({ instructions }: Program) => instructions.filter(({ primitive }) => primitive === "dot").length;
    const loops = program.instructions.filter((instruction) => instruction.primitive === "scan");
    expect(loops.map(({ params }) => dots(params.body))).toEqual([1]);
    expect(dots(program)).toBe(1);
  });

  test("start with what the names promise", () => {
    const { bias, recurrent: onState } = initialize(lstm({ features: 2 }), key(2), x) as Record<string, Tensor>;
    expect(valuesOf(bias as Tensor)).toEqual([0, 0, 1, 1, 0, 0, 0, 0]);
    expectClose((onState as Tensor).matmul((onState as Tensor).T), tensor([[1, 0], [0, 1]], { dtype: "f64" }), 5); // prettier-ignore
    const none = initialize(lstm({ features: 2, forgetBias: 0 }), key(2), x)["bias"] as Tensor;
    expect(valuesOf(none)).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    expect(Object.keys(initialize(gru({ features: 2, useBias: false }), key(2), x))).toEqual(["kernel", "recurrent"]);
  });

  test("are initialised alike inside a Program", () => {
    const types = { shape: [1, 5, 3], dtype: "f32" } as const;
    const model = sequential(lstm({ features: 3 }), bidirectional(gru({ features: 2 })));
    const program = trace((from) => Object.values(initialize(model, from, types)), [{ shape: [2], dtype: "u32" }]);
    const made = applyProgram(decode(encode(program)), [key(9)]);
    const wanted = Object.values(initialize(model, key(9), types));
    expect(made.map(valuesOf)).toEqual(wanted.map(valuesOf));
  });

  test("hand their state from an encoder to a decoder", () => {
    const model = define(({ layer }) => {
      const encoder = layer("encoder", gru({ features: 4 }));
      const decoder = layer("decoder", gru({ features: 4 }));
      return (input) => decoder.run(input, encoder.run(input).state).output;
    });
    const parameters = initialize(model, key(3), x);
    const own = (name: string) =>
      Object.fromEntries(
        Object.entries(parameters).flatMap(([path, value]) =>
          path.startsWith(`${name}.`) ? [[path.slice(name.length + 1), value] as const] : [],
        ),
      );
    const h = apply(gru({ features: 4, output: "last" }), own("encoder"), x);
    const { output, state } = applyWithState(gru({ features: 4 }), own("decoder"), x, { state: { h } });
    expectClose(apply(model, parameters, x), output);
    expectClose(state["h"] as Tensor, output.at(null, -1));
  });

  test("are differentiated by the state they begin with", () => {
    const model = lstm({ features: 4, output: "last" });
    const parameters = initialize(model, key(2), x);
    const loss = (state: State) => applyWithState(model, parameters, x, { state }).output.sum();
    const state = { h: draw(key(4), [2, 4], { dtype: "f64" }), c: draw(key(5), [2, 4], { dtype: "f64" }) };
    const gradient = grad(loss)(state);
    const moved = (step: number) => {
      const c = valuesOf(state.c);
      return loss({ ...state, c: tensor(c.with(3, (c[3] ?? 0) + step), { shape: [2, 4], dtype: "f64" }) }).itemSync();
    };
    expect((gradient["c"] as Tensor).at(0, 3).itemSync()).toBeCloseTo((moved(1e-6) - moved(-1e-6)) / 2e-6, 7);
  });

  test("of both directions join forward and backward outputs", () => {
    const model = bidirectional(lstm({ features: 4 }));
    const parameters = initialize(model, key(2), x);
    const side = (name: string) =>
      Object.fromEntries(
        ["kernel", "recurrent", "bias"].map((each) => [each, parameters[`${name}.${each}`] as Tensor]),
      );
    const ahead = apply(lstm({ features: 4 }), side("forward"), x);
    const back = apply(lstm({ features: 4 }), side("backward"), x.flip(1)).flip(1);
    expectClose(apply(model, parameters, x), concat([ahead, back], -1));
    expectClose(apply(bidirectional(lstm({ features: 4 }), { merge: "sum" }), parameters, x), ahead.add(back));
    const last = bidirectional(lstm({ features: 4, output: "last" }), { merge: "mean" });
    expectClose(apply(last, parameters, x), ahead.at(null, -1).add(back.at(null, 0)).div(2));
    expect(() => applyWithState(model, parameters, x, { state: {} })).toThrow(/needs whole sequences/);
  });

  test("say what does not fit", () => {
    const model = sequential(lstm({ features: 4 }), lstm({ features: 4 }));
    const parameters = initialize(model, key(2), x);
    const state = initialState(model, x);
    expect(Object.keys(state)).toEqual(["lstm.h", "lstm.c", "lstm_1.h", "lstm_1.c"]);
    expect(() => apply(model, parameters, x.at(0))).toThrow(
      /lstm: expected \[batch, time, features\], got f64\[5,3\]; put/,
    );
    expect(() => applyWithState(model, parameters, x.at([0, 1]), { state })).toThrow(
      /lstm.h: expected a state of f64\[1,4\], got f64\[2,4\]; take it from initialState/,
    );
    expect(() => applyWithState(model, parameters, x, { state: {} })).toThrow(ParameterError);
    expect(() => lstm({ features: 0 })).toThrow(ModelError);
  });
});

describe("attention", () => {
  const [q, k, v] = [1, 2, 3].map((seed) => draw(key(seed), [2, 2, 4, 3], { dtype: "f64" })) as [
    Tensor,
    Tensor,
    Tensor,
  ];

  test("without anything to see is a mean, not a NaN", () => {
    const blind = attention(q, k, v, { mask: zeros([2, 1, 1, 4], { dtype: "bool" }) });
    expectClose(blind, v.mean({ axis: 2, keepDims: true }).broadcastTo(v.shape));
  });

  test("that is causal does not depend on what comes later", () => {
    const early = (x: Tensor) => x.at(null, null, [0, 2]);
    expectClose(early(attention(q, k, v, { causal: true })), attention(early(q), early(k), early(v), { causal: true }));
  });
});

describe("multiHeadAttention", () => {
  const input = draw(key(1), [2, 5, 8], { dtype: "f64" });
  const model = multiHeadAttention({ heads: 2 });
  const parameters = initialize(model, key(2), input);

  test("to a memory takes keys and values from there", () => {
    const crossed = define(({ layer }) => {
      const attend = layer("attend", model);
      return (target) => attend(target.at(null, [0, 2]), { memory: target });
    });
    const named = Object.fromEntries(Object.entries(parameters).map(([name, value]) => [`attend.${name}`, value]));
    expectClose(apply(crossed, named, input), apply(model, parameters, input).at(null, [0, 2]));
    expect(() => apply(define(({ layer }) => ((attend) => (y) => attend(y, { memory: zeros([2, 5, 4]) }))(layer("attend", model))), named, input)).toThrow(/of equal features/); // prettier-ignore
  });

  test("does not look where the mask forbids it", () => {
    const masked = define(({ layer }) => {
      const attend = layer("attend", model);
      return (target) => attend(target, { mask: tensor([true, true, true, false, false]) });
    });
    const named = Object.fromEntries(Object.entries(parameters).map(([name, value]) => [`attend.${name}`, value]));
    const changed = concat([input.at(null, [0, 3]), input.at(null, [3, 5]).mul(-2)], 1);
    const first = (y: Tensor) => apply(masked, named, y).at(null, [0, 3]);
    expectClose(first(changed), first(input));
  });

  test("draws dropout on the weights in training alone", () => {
    const dropping = multiHeadAttention({ heads: 2, dropout: 0.5 });
    expectClose(apply(dropping, parameters, input), apply(model, parameters, input));
    const trained = apply(dropping, parameters, input, { training: true, key: key(7) });
    expect(
      trained
        .sub(apply(model, parameters, input))
        .abs()
        .max()
        .itemSync(),
    ).toBeGreaterThan(0.01);
  });

  test("says what does not fit", () => {
    expect(() => initialize(multiHeadAttention({ heads: 3 }), key(0), input)).toThrow(
      /8 features do not divide into 3/,
    );
    expect(() => initialize(model, key(0), input.at(0))).toThrow(ShapeError);
    expect(() => initialState(model, input)).toThrow(/keys: the cache needs a size; call initialState\(.*length/);
  });
});

describe("a transformer", () => {
  const model = define(({ layer }) => {
    const tokens = layer("tokens", embedding({ vocabulary: 11, features: 8 }));
    const positions = layer("positions", positionalEmbedding({ length: 6 }));
    const blocks = times(2, (i) => layer(`block${i}`, transformerBlock({ heads: 2, causal: true, norm: rmsNorm })));
    const norm = layer("norm", layerNorm());
    return (ids) => tokens.logits(norm(blocks.reduce((y, block) => block(y), positions(tokens(ids)))));
  });
  const ids = randomInt(key(3), [2, 6], { high: 11 });
  const parameters = initialize(model, key(1), ids);

  test.each([[[1, 1, 1, 1, 1, 1]], [[3, 1, 2]], [[6]]])("gives the same from its cache, in parts of %j", (lengths) => {
    const { output, state } = inParts(model, [parameters, ids], lengths);
    expectClose(output, apply(model, parameters, ids), 5);
    expect((state["positions.position"] as Tensor).itemSync()).toBe(6);
    expect((state["block1.attn.keys"] as Tensor).shape).toEqual([2, 2, 6, 4]);
  });

  test("makes each step by one Program, whatever the position", () => {
    const state = initialState(model, ids.at(null, [0, 1]), { length: 6 });
    const step = trace(
      (...values) => {
        const names = Object.keys(state);
        const before = Object.fromEntries(names.map((name, i) => [name, values[i + 1] as Tensor]));
        const applied = applyWithState(model, parameters, values[0] as Tensor, { state: before });
        return [applied.output, ...names.map((name) => applied.state[name] as Tensor)];
      },
      [{ shape: [2, 1], dtype: "i32" }, ...Object.values(state).map(({ shape, dtype }) => ({ shape, dtype }))],
    );
    expect(step.outputs).toHaveLength(1 + Object.keys(state).length);
  });

  test("has per-example gradients that are those of each example", () => {
    const loss = (weights: Record<string, Tensor>, each: Tensor) =>
      softmaxCrossEntropy(apply(model, weights, each.expandDims(0)), each.expandDims(0));
    const all = vmap(grad(loss), { in: [null, 0] })(parameters, ids);
    for (const [name, gradient] of Object.entries(all)) {
      [0, 1].forEach((i) => expectClose(gradient.at(i), grad(loss)(parameters, ids.at(i))[name] as Tensor, 5));
    }
  });

  test("ties the output to the embedding", () => {
    expect(Object.keys(parameters).filter((name) => name.startsWith("tokens"))).toEqual(["tokens.table"]);
    const loss = (weights: Record<string, Tensor>) => softmaxCrossEntropy(apply(model, weights, ids), ids);
    expect(grad(loss)(parameters)["tokens.table"]?.shape).toEqual([11, 8]);
  });

  test("says what does not fit", () => {
    expect(() => apply(model, parameters, zeros([1, 7], { dtype: "i32" }))).toThrow(
      /of at most 6 positions, got f32\[1,7/,
    );
    expect(() => apply(model, parameters, zeros([1, 6]))).toThrow(
      /expected ids of dtype i32, got f32\[1,6\]; use ids.cast/,
    );
  });
});

test("a model of one's own reads as in the first example", () => {
  const gpt = define(({ layer, parameter }) => {
    const embed = layer("embed", embedding({ vocabulary: 65, features: 128 }));
    const position = parameter("position", [64, 128], normal({ std: 0.02 }));
    const blocks = times(4, (i) => layer(`block${i}`, transformerBlock({ heads: 4, causal: true })));
    const head = layer("head", dense({ features: 65 }));
    return (tokens: Tensor) => head(blocks.reduce((x, block) => block(x), embed(tokens).add(position)));
  });
  const tokens = adopt(new Int32Array(64), { shape: [1, 64], dtype: "i32" });
  const parameters = initialize(gpt, key(0), tokens);
  expect(apply(gpt, parameters, tokens).shape).toEqual([1, 64, 65]);
  const block = Object.keys(parameters).filter((name) => name.startsWith("block3."));
  expect(block.map((name) => name.slice("block3.".length))).toEqual([
    "ln1.gamma",
    "ln1.beta",
    "attn.qkv.kernel",
    "attn.qkv.bias",
    "attn.out.kernel",
    "attn.out.bias",
    "ln2.gamma",
    "ln2.beta",
    "mlp.fc1.kernel",
    "mlp.fc1.bias",
    "mlp.fc2.kernel",
    "mlp.fc2.bias",
  ]);
});
