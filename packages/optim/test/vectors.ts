/** The traces of PyTorch 1.13.0 in vectors/optim.json, and their settings in our words. See vectors/README.md. */
import { readFileSync } from "node:fs";
import type { DType, Tensor } from "@weft/tensor";
import { realizeSync, tensor } from "@weft/tensor";
import type { Optimizer } from "@weft/optim";
import { createOptimizer } from "@weft/optim/createOptimizer";

type Numbers = readonly number[];

export interface Trace {
  readonly name: string;
  readonly optimizer: string;
  readonly hyper: Readonly<Record<string, unknown>>;
  readonly noise: boolean;
  readonly clip_global_norm: number | null;
  /** Name of one of the schedules. */
  readonly schedule?: string;
  readonly params: readonly Numbers[];
}

export interface ScheduleCase {
  readonly name: string;
  readonly schedule: string;
  readonly base_lr: number;
  readonly args: Readonly<Record<string, unknown>>;
  readonly lrs: Numbers;
}

interface Values {
  readonly shape: Numbers;
  readonly data: Numbers;
}

export interface Clip {
  readonly name: string;
  readonly kind: "global_norm" | "global_norm_exact" | "value";
  readonly max: number;
  readonly inputs: readonly Values[];
  readonly outputs: readonly Values[];
  readonly norm: number;
}

interface Vectors {
  readonly problem: Readonly<Record<"A" | "b" | "w0" | "noise", Values>>;
  readonly traces: readonly Trace[];
  readonly schedules: readonly ScheduleCase[];
  readonly clips: readonly Clip[];
}

export const { problem, traces, schedules, clips } = JSON.parse(
  readFileSync(new URL("vectors/optim.json", import.meta.url), "utf8"),
) as Vectors;

/** PyTorch's names of settings, and ours. */
const settingNames: Readonly<Record<string, string>> = {
  weight_decay: "weightDecay",
  decoupled: "decoupledDecay",
  alpha: "decay",
  rho: "decay",
  eps: "epsilon",
  lr_decay: "rateDecay",
  initial_accumulator_value: "initialAccumulator",
  bias_correction: "biasCorrection",
  momentum_decay: "momentumDecay",
  history_size: "historySize",
};

/** The optimiser of a trace as plain data. */
export function specOf({ optimizer, hyper, clip_global_norm: maxNorm, schedule }: Trace): unknown {
  const spec: Record<string, unknown> = { name: optimizer };
  for (const [setting, value] of Object.entries(hyper)) {
    if (setting === "betas") [spec["beta1"], spec["beta2"]] = value as readonly number[];
    else if (setting !== "lr") spec[settingNames[setting] ?? setting] = value;
  }
  const scheduled = schedules.find(({ name }) => name === schedule);
  spec["learningRate"] = scheduled ? scheduleOf(scheduled) : hyper["lr"];
  return maxNorm === null ? spec : { name: "clipByGlobalNorm", maxNorm, optimizer: spec };
}

/** A schedule of the file as plain data of ours. */
export function scheduleOf({ schedule, base_lr: base, args }: ScheduleCase): Record<string, unknown> {
  const { total, gamma, warmup, min_lr: to } = args;
  switch (schedule) {
    case "constant":
      return { name: "constantRate", value: base };
    case "step":
      return { name: "stepDecay", from: base, factor: gamma, every: args["step_size"] };
    case "multistep":
      return { name: "multistepDecay", from: base, factor: gamma, at: args["milestones"] };
    case "exponential":
      return { name: "exponentialDecay", from: base, factor: gamma };
    case "cosine":
      return { name: "cosine", from: base, to, steps: total };
    case "cosine_restarts":
      return { name: "cosineRestarts", from: base, to, period: args["period"] };
    case "warmup_cosine":
      return { name: "warmupCosine", peak: base, to, warmup, steps: total };
    case "polynomial":
      return { name: "polynomial", from: base, to: args["end_lr"], steps: total, power: args["power"] };
    case "linear_warmup":
      return { name: "linearWarmup", to: base, steps: warmup };
    case "inverse_sqrt":
      return { name: "inverseSqrt", peak: base, warmup };
    case "one_cycle":
      return {
        name: "oneCycle",
        peak: base,
        steps: total,
        warmupFraction: args["pct_start"],
        startDivisor: args["div_factor"],
        finalDivisor: args["final_div_factor"],
        anneal: args["anneal"] === "cos" ? "cosine" : "linear",
      };
    default:
      throw new Error(`unknown schedule ${schedule}`);
  }
}

/** A(w − b) + noise of update t. */
function gradientAt(w: Numbers, t: number, noisy: boolean): number[] {
  const { A, b, noise } = problem;
  return w.map((_, i) => {
    const row = w.reduce((sum, value, j) => sum + (A.data[i * 7 + j] ?? 0) * (value - (b.data[j] ?? 0)), 0);
    return row + (noisy ? (noise.data[t * 7 + i] ?? 0) : 0);
  });
}

/** Steps on the problem, all in one tensor after the other of the given shapes. */
export function runProblem(
  optimizer: Optimizer,
  { shapes, dtype, steps, noise }: { shapes: readonly Numbers[]; dtype: DType; steps: number; noise: boolean },
): { history: number[][]; state: Tensor[] } {
  const split = (values: Numbers) => {
    let start = 0;
    return shapes.map((shape) => {
      const size = shape.reduce((product, n) => product * n, 1);
      return tensor(values.slice(start, (start += size)), { shape, dtype });
    });
  };
  let parameters = split(problem.w0.data);
  let state = optimizer.init(parameters);
  let w = [...problem.w0.data];
  const history = Array.from({ length: steps }, (_, t) => {
    ({ parameters, state } = optimizer.update(parameters, split(gradientAt(w, t, noise)), state));
    realizeSync(...parameters, ...state);
    w = parameters.flatMap((parameter) => [...parameter.dataSync()]);
    return w;
  });
  return { history, state };
}

/** The parameters after every update of a trace. */
export const runTrace = (trace: Trace, shapes: readonly Numbers[], dtype: DType): number[][] =>
  runProblem(createOptimizer(specOf(trace)), { shapes, dtype, steps: trace.params.length, noise: trace.noise }).history;
