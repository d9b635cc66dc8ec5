/** Thirty steps of six small networks against PyTorch 1.13.0, on any backend; see vectors/README.md. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Backend, DType, Tensor } from "@weft/tensor";
import { compile, currentBackend, setBackend, tensor, valueAndGrad } from "@weft/tensor";
import type { Layer } from "@weft/nn";
import {
  apply,
  binaryCrossEntropy,
  conv2d,
  conv2dTranspose,
  define,
  dense,
  embedding,
  flatten,
  gelu,
  geluTanh,
  layerNorm,
  lstm,
  maxPool2d,
  meanSquaredError,
  positionalEmbedding,
  relu,
  softmaxCrossEntropy,
  times,
  transformerBlock,
} from "@weft/nn";
import type { Optimizer } from "@weft/optim";
import { adam, adamw, clipByGlobalNorm, globalNorm, sgd } from "@weft/optim";
import { readSafetensors } from "./readSafetensors.ts";

interface Values {
  readonly shape: readonly number[];
  readonly data: readonly number[];
  readonly dtype?: "i32";
}

interface Trace {
  readonly name: string;
  readonly model: keyof typeof models;
  readonly config: { readonly tied?: boolean; readonly gelu?: "none" | "tanh"; readonly loss?: "mse" | "bce" };
  readonly optimizer: {
    readonly lr: number;
    readonly momentum?: number;
    readonly betas?: readonly [number, number];
    readonly weight_decay?: number;
    readonly clip_global_norm?: number;
  };
  readonly parameters: readonly { readonly name: string }[];
  readonly weights: string;
  readonly final_weights_f64: string;
  readonly loss_f64: readonly number[];
  readonly grad_norm_f64: readonly number[];
  readonly rtol_f32_loss: number;
  readonly rtol_f32_grad_norm: number;
  readonly final_param_atol_f32: number;
  /** Parameters, or ranges of them, whose true gradient is zero: `name[from:to]`. */
  readonly final_param_exclude: readonly string[];
  readonly batches: readonly { readonly x: Values; readonly y?: Values }[];
}

export interface TraceSelection {
  /** Backends without f64 leave it out. */
  readonly dtypes: readonly ("f32" | "f64")[];
  /** Default all. */
  readonly models?: readonly Trace["model"][];
  /** Default all thirty; with fewer, the final weights are not compared. */
  readonly steps?: number;
}

/** Registers one test for each trace and dtype. */
export function testTrainingTraces(createBackend: () => Backend, selection: TraceSelection): void {
  const { dtypes, models: chosen = Object.keys(models), steps } = selection;
  const url = (name: string) => new URL(`vectors/${name}`, import.meta.url);
  const { traces } = JSON.parse(readFileSync(url("train.json"), "utf8")) as { traces: Trace[] };
  describe("training follows PyTorch", () => {
    let before: Backend;
    beforeAll(() => {
      before = currentBackend();
      setBackend(createBackend());
    });
    afterAll(() => setBackend(before));

    const cases = traces.filter(({ model }) => chosen.includes(model));
    test.each(cases.flatMap((trace) => dtypes.map((dtype) => [trace.name, dtype, trace] as const)))(
      "%s in %s",
      async (_, dtype, trace) => {
        const exact = dtype === "f64";
        const { losses, gradientNorms, parameters } = await train(trace, readSafetensors(url(trace.weights), dtype), {
          dtype,
          steps: steps ?? trace.loss_f64.length,
        });
        expectRelative(losses, trace.loss_f64, exact ? 1e-8 : trace.rtol_f32_loss);
        expectRelative(gradientNorms, trace.grad_norm_f64, exact ? 1e-8 : trace.rtol_f32_grad_norm);
        if (steps !== undefined) return;
        const final = readSafetensors(url(trace.final_weights_f64), "f64");
        for (const { name } of trace.parameters) {
          const [got, wanted] = await Promise.all([parameters[name]?.data(), final[name]?.data()]);
          const counted = (_: number, i: number) => !isExcluded(trace.final_param_exclude, name, i);
          const worst = largestDifference([...(got ?? [])].filter(counted), [...(wanted ?? [])].filter(counted));
          expect(worst, name).toBeLessThanOrEqual(exact ? 1e-8 : trace.final_param_atol_f32);
        }
      },
    );
  });
}

async function train(
  trace: Trace,
  initial: Record<string, Tensor>,
  { dtype, steps }: { readonly dtype: DType; readonly steps: number },
) {
  const names = trace.parameters.map(({ name }) => name);
  const optimizer = optimizerOf(trace);
  const model = models[trace.model](trace.config);
  const lossOf = (parameters: Record<string, Tensor>, x: Tensor, y: Tensor) => {
    const predictions = apply(model, parameters, x, { training: true });
    if (trace.model !== "autoencoder") return softmaxCrossEntropy(predictions, y);
    return trace.config.loss === "bce" ? binaryCrossEntropy(predictions, y) : meanSquaredError(predictions, y);
  };
  const step = compile((parameters: readonly Tensor[], state: readonly Tensor[], x: Tensor, y: Tensor) => {
    const named = Object.fromEntries(names.map((name, i) => [name, parameters[i] as Tensor]));
    const [loss, gradient] = valueAndGrad(lossOf)(named, x, y);
    const gradients = names.map((name) => gradient[name] as Tensor);
    const norm = globalNorm(gradients);
    return { loss, norm, ...optimizer.update(parameters, gradients, state) };
  });

  let parameters = names.map((name) => initial[name] as Tensor);
  let state = optimizer.init(parameters);
  const losses: number[] = [];
  const gradientNorms: number[] = [];
  for (let t = 0; t < steps; t++) {
    const batch = trace.batches[t % trace.batches.length];
    const x = toTensor(batch?.x, dtype);
    const result = step(parameters, state, x, batch?.y ? toTensor(batch.y, dtype) : x);
    losses.push((await result.loss.data())[0] ?? NaN);
    gradientNorms.push((await result.norm.data())[0] ?? NaN);
    ({ parameters, state } = result);
  }
  return { losses, gradientNorms, parameters: Object.fromEntries(names.map((name, i) => [name, parameters[i]])) };
}

function optimizerOf({ optimizer }: Trace): Optimizer {
  const { lr: learningRate, momentum, betas: [beta1, beta2] = [0.9, 0.999], weight_decay: weightDecay } = optimizer;
  if (momentum !== undefined) return sgd({ learningRate, momentum });
  const options = { learningRate, beta1, beta2 };
  const rule = weightDecay === undefined ? adam(options) : adamw({ ...options, weightDecay });
  const maxNorm = optimizer.clip_global_norm;
  return maxNorm === undefined ? rule : clipByGlobalNorm(rule, { maxNorm });
}

const isExcluded = (ranges: readonly string[], name: string, index: number) =>
  ranges.some((range) => {
    const [, excluded, from = "0", to = "Infinity"] = /^([^[]+)(?:\[(\d+):(\d+)\])?$/.exec(range) ?? [];
    return excluded === name && index >= Number(from) && index < Number(to);
  });

function toTensor(values: Values | undefined, dtype: DType): Tensor {
  if (!values) throw new Error("a trace without batches");
  return tensor(values.data, { shape: values.shape, dtype: values.dtype ?? dtype });
}

function expectRelative(got: readonly number[], wanted: readonly number[], tolerance: number): void {
  got.forEach((value, t) => {
    const exact = wanted[t] ?? NaN;
    expect(Math.abs(value - exact), `step ${t}`).toBeLessThanOrEqual(tolerance * Math.abs(exact));
  });
}

const largestDifference = (got: ArrayLike<number>, wanted: ArrayLike<number>) =>
  got.length === wanted.length && wanted.length > 0
    ? Math.max(...Array.from(wanted, (value, i) => Math.abs((got[i] ?? NaN) - value)))
    : NaN;

const mlp = define(({ layer }) => {
  const [first, second, third] = [32, 16, 4].map((features, i) => layer(`dense${i + 1}`, dense({ features })));
  return (x) => third!(relu(second!(relu(first!(x)))));
});

const cnn = define(({ layer }) => {
  const convolution = layer("conv1", conv2d({ features: 8, kernel: 3 }));
  const pool = layer("pool", maxPool2d({ window: 2 }));
  const hidden = layer("dense1", dense({ features: 16 }));
  const head = layer("dense2", dense({ features: 10 }));
  return (x) => head(relu(hidden(flatten(pool(relu(convolution(x)))))));
});

const autoencoder = define(({ layer }) => {
  const halving = (features: number) => conv2d({ features, kernel: 3, stride: 2, padding: 1 });
  const [enc1, enc2] = [layer("enc1", halving(4)), layer("enc2", halving(8))];
  const [enc3, dec1] = [layer("enc3", dense({ features: 12 })), layer("dec1", dense({ features: 72 }))];
  const doubling = (features: number) => conv2dTranspose({ features, kernel: 4, stride: 2, padding: 1 });
  const [dec2, dec3] = [layer("dec2", doubling(4)), layer("dec3", doubling(1))];
  return (x) => {
    const code = enc3(flatten(relu(enc2(relu(enc1(x))))));
    return dec3(relu(dec2(relu(dec1(code)).reshape([x.shape[0] ?? 1, 3, 3, 8]))));
  };
});

const characters = define(({ layer }) => {
  const embed = layer("embedding", embedding({ vocabulary: 20, features: 8 }));
  const [first, second] = [layer("lstm1", lstm({ features: 16 })), layer("lstm2", lstm({ features: 16 }))];
  const head = layer("head", dense({ features: 20 }));
  return (ids) => head(second(first(embed(ids))));
});

const transformer = ({ tied = false, gelu: approximate = "tanh" }: Trace["config"]): Layer =>
  define(({ layer }) => {
    const tokens = layer("tok", embedding({ vocabulary: 30, features: 32 }));
    const positions = layer("pos", positionalEmbedding({ length: 16 }));
    const activation = approximate === "tanh" ? geluTanh : gelu;
    const blocks = times(2, (i) => layer(`block${i}`, transformerBlock({ heads: 4, causal: true, activation })));
    const norm = layer("lnf", layerNorm());
    const head = tied ? tokens.logits : layer("head", dense({ features: 30, useBias: false }));
    return (ids) => head(norm(blocks.reduce((x, block) => block(x), positions(tokens(ids)))));
  });

const models = {
  mlp: () => mlp,
  cnn: () => cnn,
  autoencoder: () => autoencoder,
  lstm: () => characters,
  transformer,
} as const;
