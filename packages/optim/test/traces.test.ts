/** The optimisers against traces of PyTorch 1.13.0; see vectors/README.md. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { DType } from "@weft/tensor";
import { realizeSync, tensor } from "@weft/tensor";
import type { OptimizerSpec } from "@weft/optim";
import { createOptimizer } from "@weft/optim";

interface Hyper {
  readonly lr: number;
  readonly momentum?: number;
  readonly nesterov?: boolean;
  readonly weight_decay?: number;
  readonly alpha?: number;
  readonly centered?: boolean;
  readonly betas?: readonly [number, number];
  readonly eps?: number;
}

interface Trace {
  readonly name: string;
  readonly optimizer: OptimizerSpec["name"];
  readonly hyper: Hyper;
  readonly noise: boolean;
  readonly params: readonly (readonly number[])[];
}

interface Vectors {
  readonly problem: Readonly<Record<"A" | "b" | "w0" | "noise", { readonly data: readonly number[] }>>;
  readonly traces: readonly Trace[];
}

const { problem, traces } = JSON.parse(readFileSync(new URL("vectors/optim.json", import.meta.url), "utf8")) as Vectors;

/** Our names for the settings of PyTorch; what a trace leaves out has our default, which is PyTorch's. */
function specOf({ optimizer, hyper }: Trace): unknown {
  const { lr, momentum, nesterov, weight_decay, alpha, centered, betas, eps } = hyper;
  const all = {
    name: optimizer,
    learningRate: lr,
    momentum,
    nesterov,
    weightDecay: weight_decay,
    decay: alpha,
    centered,
    beta1: betas?.[0],
    beta2: betas?.[1],
    epsilon: eps,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** A(w − b) + noise of update t. */
function gradientAt(w: readonly number[], t: number, noisy: boolean): number[] {
  const { A, b, noise } = problem;
  return w.map((_, i) => {
    const row = w.reduce((sum, value, j) => sum + (A.data[i * 7 + j] ?? 0) * (value - (b.data[j] ?? 0)), 0);
    return row + (noisy ? (noise.data[t * 7 + i] ?? 0) : 0);
  });
}

/** The parameters after every update, held as tensors of the given shapes. */
function run(trace: Trace, shapes: readonly (readonly number[])[], dtype: DType): number[][] {
  const optimizer = createOptimizer(specOf(trace));
  const split = (values: readonly number[]) => {
    let start = 0;
    return shapes.map((shape) => {
      const size = shape.reduce((product, n) => product * n, 1);
      return tensor(values.slice(start, (start += size)), { shape, dtype });
    });
  };
  let parameters = split(problem.w0.data);
  let state = optimizer.init(parameters);
  let w = [...problem.w0.data];
  return trace.params.map((_, t) => {
    ({ parameters, state } = optimizer.update(parameters, split(gradientAt(w, t, trace.noise)), state));
    realizeSync(...parameters, ...state);
    w = parameters.flatMap((parameter) => [...parameter.dataSync()]);
    return w;
  });
}

const apart = [[2, 2], [3]];

describe.each(traces)("$name", (trace) => {
  test("follows the trace in f64 to 1e-9", () => {
    run(trace, apart, "f64").forEach((got, t) => {
      got.forEach((value, i) => {
        const wanted = trace.params[t]?.[i] ?? NaN;
        expect(Math.abs(value - wanted), `update ${t}, element ${i}`).toBeLessThanOrEqual(1e-9 * Math.abs(wanted));
      });
    });
  });

  test("follows the trace in f32 to 2e-5", () => {
    run(trace, apart, "f32").forEach((got, t) => {
      got.forEach((value, i) => {
        const wanted = trace.params[t]?.[i] ?? NaN;
        expect(Math.abs(value - wanted)).toBeLessThanOrEqual(2e-5 * Math.max(1, Math.abs(wanted)));
      });
    });
  });

  test("gives the same bits for one flat vector", () => {
    expect(run(trace, [[7]], "f32")).toEqual(run(trace, apart, "f32"));
  });
});
