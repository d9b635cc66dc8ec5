/**
 * A convex problem small enough to be done by hand: linear least squares over workers with data of their own, trained by the real
 * coordinator and real workers in this process, and by formulas in double precision.
 */
import type { CoordinatorEvent, Outcome } from "@weft/coordinator";
import type { Dataset, DatasetSource } from "@weft/data";
import { dense, type Layer, meanSquaredError, sequential } from "@weft/nn";
import { setBackend } from "@weft/tensor";
import { createReferenceBackend } from "@weft/tensor/reference";
import { checkJob, createTrainer } from "@weft/worker";
import { buildJob, defineJob, type JobDefinition, type RoundRule } from "weft";
import { runInProcess } from "../../../../test/support/inProcess.ts";

setBackend(createReferenceBackend());

export const features = 2;
/** Weights, then the bias. */
export const size = features + 1;

const contract: Dataset["contract"] = {
  fields: [
    { name: "x", shape: [features], dtype: "f32", stored: "f32", scale: 1 },
    { name: "y", shape: [1], dtype: "f32", stored: "f32", scale: 1 },
  ],
};

/** A worker's data: inputs and answers that are unlike those of the next one, the further the larger `drift`. */
export function dataOf(place: number, examples: number, drift = 1): Dataset {
  const x = Float32Array.from({ length: examples * features }, (_, i) => Math.sin(1 + 1.7 * i + 2.3 * place * drift));
  const slope = 1 + drift * place;
  const y = Float32Array.from({ length: examples }, (_, i) => slope * x[2 * i]! - x[2 * i + 1]! + 0.5 * place * drift);
  return { contract, size: examples, columns: [x, y] };
}

/** One example so many times: every batch has the same gradient, whatever its rows and their order. */
export function uniformData(place: number, examples: number): Dataset {
  const { columns } = dataOf(place, 1);
  const [x, y] = columns as [Float32Array, Float32Array];
  const repeated = (values: Float32Array) =>
    Float32Array.from({ length: examples * values.length }, (_, i) => values[i % values.length]!);
  return { contract, size: examples, columns: [repeated(x), repeated(y)] };
}

export interface Training {
  readonly round: RoundRule;
  readonly data: readonly Dataset[];
  readonly rounds: number;
  readonly model?: Layer;
  readonly changes?: Partial<JobDefinition>;
  readonly onEvent?: (event: CoordinatorEvent) => void;
}

export interface Trained {
  readonly outcome: Outcome;
  readonly initial: Float32Array;
  readonly weights: Float32Array;
}

/** Encoded for workers that bring their own data. */
export function encodedJob({ round, rounds, model, changes }: Omit<Training, "data" | "onEvent">): Uint8Array {
  const data = dataOf(0, 1);
  const source: DatasetSource = { name: "problem", load: () => Promise.resolve({ train: data, test: data }) };
  const job = defineJob({
    name: "problem",
    data: source,
    model: model ?? sequential(dense({ features: 1 })),
    loss: meanSquaredError,
    round,
    stop: { rounds },
    ...changes,
  });
  return buildJob(job, { train: { contract, size: 0 } }, { lossBatches: [16], evaluationBatch: 16 });
}

/** Trains as a user's run would. */
export async function train({ data, onEvent, ...training }: Training): Promise<Trained> {
  const encoded = encodedJob(training);
  const outcome = await runInProcess({
    job: encoded,
    train: data[0]!,
    workers: data.length,
    worker: (place) => ({ data: () => Promise.resolve(data[place]!) }),
    coordinator: { examples: undefined },
    ...(onEvent === undefined ? {} : { onEvent }),
  });
  const initial = await createTrainer(checkJob(encoded)).initialize(0);
  return { outcome, initial, weights: outcome.weights };
}

export type Vector = readonly number[];

export const plus = (a: Vector, b: Vector, factor = 1): Vector => a.map((value, i) => value + factor * b[i]!);
export const scaled = (a: Vector, factor: number): Vector => a.map((value) => value * factor);
export const sum = (vectors: readonly Vector[]): Vector => vectors.reduce((total, each) => plus(total, each));
export const zero: Vector = Array.from({ length: size }, () => 0);

/** Gradient of the mean squared error of x·w + b over rows `from` to `to`, in double precision. */
export function gradientOf(weights: Vector, { columns, size: rows }: Dataset, from = 0, to = rows): Vector {
  const [x, y] = columns as [Float32Array, Float32Array];
  const gradient = [0, 0, 0];
  for (let i = from; i < to; i++) {
    const [x0, x1] = [x[2 * i]!, x[2 * i + 1]!];
    const error = x0 * weights[0]! + x1 * weights[1]! + weights[2]! - y[i]!;
    [x0, x1, 1].forEach((input, j) => (gradient[j]! += (2 * error * input) / (to - from)));
  }
  return gradient;
}

export function lossOf(weights: Vector, { columns, size: rows }: Dataset): number {
  const [x, y] = columns as [Float32Array, Float32Array];
  let total = 0;
  for (let i = 0; i < rows; i++) {
    total += (x[2 * i]! * weights[0]! + x[2 * i + 1]! * weights[1]! + weights[2]! - y[i]!) ** 2;
  }
  return total / rows;
}
