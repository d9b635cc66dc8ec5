/** Thirty steps of four small networks against PyTorch 1.13.0, on any backend; see vectors/README.md. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Backend, DType, Tensor } from "@weft/tensor";
import { compile, convTranspose2d, currentBackend, setBackend, tensor, valueAndGrad } from "@weft/tensor";
import type { Layer } from "@weft/nn";
import {
  apply,
  constant,
  conv2d,
  define,
  dense,
  flatten,
  maxPool2d,
  meanSquaredError,
  relu,
  softmaxCrossEntropy,
} from "@weft/nn";
import { adam, sgd } from "@weft/optim";
import { readSafetensors } from "./readSafetensors.ts";

interface Values {
  readonly shape: readonly number[];
  readonly data: readonly number[];
  readonly dtype?: "i32";
}

interface Trace {
  readonly name: string;
  readonly model: "mlp" | "cnn" | "autoencoder";
  readonly optimizer: { readonly lr: number; readonly momentum?: number };
  readonly parameters: readonly { readonly name: string }[];
  readonly weights: string;
  readonly final_weights_f64: string;
  readonly loss_f64: readonly number[];
  readonly grad_norm_f64: readonly number[];
  readonly rtol_f32_loss: number;
  readonly rtol_f32_grad_norm: number;
  readonly final_param_atol_f32: number;
  readonly batches: readonly { readonly x: Values; readonly y?: Values }[];
}

/** Registers one test for each trace and dtype. Backends without f64 leave it out. */
export function testTrainingTraces(createBackend: () => Backend, dtypes: readonly ("f32" | "f64")[]): void {
  const url = (name: string) => new URL(`vectors/${name}`, import.meta.url);
  const { traces } = JSON.parse(readFileSync(url("train.json"), "utf8")) as { traces: Trace[] };
  describe("training follows PyTorch", () => {
    let before: Backend;
    beforeAll(() => {
      before = currentBackend();
      setBackend(createBackend());
    });
    afterAll(() => setBackend(before));

    test.each(traces.flatMap((trace) => dtypes.map((dtype) => [trace.name, dtype, trace] as const)))(
      "%s in %s",
      async (_, dtype, trace) => {
        const exact = dtype === "f64";
        const { losses, gradientNorms, parameters } = await train(
          trace,
          readSafetensors(url(trace.weights), dtype),
          dtype,
        );
        expectRelative(losses, trace.loss_f64, exact ? 1e-8 : trace.rtol_f32_loss);
        expectRelative(gradientNorms, trace.grad_norm_f64, exact ? 1e-8 : trace.rtol_f32_grad_norm);
        const final = readSafetensors(url(trace.final_weights_f64), "f64");
        for (const { name } of trace.parameters) {
          const [got, wanted] = await Promise.all([parameters[name]?.data(), final[name]?.data()]);
          const worst = largestDifference(got ?? [], wanted ?? []);
          expect(worst, name).toBeLessThanOrEqual(exact ? 1e-8 : trace.final_param_atol_f32);
        }
      },
    );
  });
}

async function train(trace: Trace, initial: Record<string, Tensor>, dtype: DType) {
  const names = trace.parameters.map(({ name }) => name);
  const { lr, momentum } = trace.optimizer;
  const optimizer = momentum === undefined ? adam({ learningRate: lr }) : sgd({ learningRate: lr, momentum });
  const model = models[trace.model];
  const lossOf = (parameters: Record<string, Tensor>, x: Tensor, y: Tensor) => {
    const predictions = apply(model, parameters, x, { training: true });
    return trace.model === "autoencoder" ? meanSquaredError(predictions, y) : softmaxCrossEntropy(predictions, y);
  };
  const step = compile((parameters: readonly Tensor[], state: readonly Tensor[], x: Tensor, y: Tensor) => {
    const named = Object.fromEntries(names.map((name, i) => [name, parameters[i] as Tensor]));
    const [loss, gradient] = valueAndGrad(lossOf)(named, x, y);
    const gradients = names.map((name) => gradient[name] as Tensor);
    const squares = gradients.map((each) => each.mul(each).sum()).reduce((sum, each) => sum.add(each));
    return { loss, norm: squares.sqrt(), ...optimizer.update(parameters, gradients, state) };
  });

  let parameters = names.map((name) => initial[name] as Tensor);
  let state = optimizer.init(parameters);
  const losses: number[] = [];
  const gradientNorms: number[] = [];
  for (let t = 0; t < trace.loss_f64.length; t++) {
    const batch = trace.batches[t % trace.batches.length];
    const x = toTensor(batch?.x, dtype);
    const result = step(parameters, state, x, batch?.y ? toTensor(batch.y, dtype) : x);
    losses.push((await result.loss.data())[0] ?? NaN);
    gradientNorms.push((await result.norm.data())[0] ?? NaN);
    ({ parameters, state } = result);
  }
  return { losses, gradientNorms, parameters: Object.fromEntries(names.map((name, i) => [name, parameters[i]])) };
}

function toTensor(values: Values | undefined, dtype: DType): Tensor {
  if (!values) throw new Error("a trace without batches");
  return tensor(values.data, { shape: values.shape, dtype: values.dtype ?? dtype });
}

function expectRelative(got: readonly number[], wanted: readonly number[], tolerance: number): void {
  wanted.forEach((value, t) => {
    expect(Math.abs((got[t] ?? NaN) - value), `step ${t}`).toBeLessThanOrEqual(tolerance * Math.abs(value));
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

/** Spreads each pixel over 4 × 4, which doubles the size. */
const doubling = (features: number): Layer =>
  define(({ parameter }) => (x) => {
    const kernel = parameter("kernel", [4, 4, x.shape.at(-1) ?? 0, features], constant(0));
    return convTranspose2d(x, kernel, { stride: 2, padding: 1 }).add(parameter("bias", [features], constant(0)));
  });

const autoencoder = define(({ layer }) => {
  const halving = (features: number) => conv2d({ features, kernel: 3, stride: 2, padding: 1 });
  const [enc1, enc2] = [layer("enc1", halving(4)), layer("enc2", halving(8))];
  const [enc3, dec1] = [layer("enc3", dense({ features: 12 })), layer("dec1", dense({ features: 72 }))];
  const [dec2, dec3] = [layer("dec2", doubling(4)), layer("dec3", doubling(1))];
  return (x) => {
    const code = enc3(flatten(relu(enc2(relu(enc1(x))))));
    return dec3(relu(dec2(relu(dec1(code)).reshape([x.shape[0] ?? 1, 3, 3, 8]))));
  };
});

const models: Readonly<Record<Trace["model"], Layer>> = { mlp, cnn, autoencoder };
