/** A tiny job for the worker's tests: a linear model y = x·w + b with squared error, written on tensors alone. */
import type { DataContract, Dataset } from "@weft/data";
import { encodeJob } from "@weft/protocol";
import type { Program, TensorType } from "@weft/tensor";
import { normal, tensor, trace } from "@weft/tensor";
import { encode } from "@weft/tensor/programs";
import type { Tensor } from "@weft/tensor";
import { type DraftChanges, jobDraft } from "../../../test/support/jobDraft.ts";
import { sha256 } from "../src/hash.ts";

const features = 3;
export const contract: DataContract = {
  fields: [
    { name: "x", shape: [features], dtype: "f32", stored: "f32", scale: 1 },
    { name: "y", shape: [], dtype: "f32", stored: "f32", scale: 1 },
  ],
};

const f32 = (...shape: number[]): TensorType => ({ shape, dtype: "f32" });
const parameterTypes = [f32(features), f32()];

const predict = (w: Tensor, b: Tensor, x: Tensor) => x.matmul(w).add(b);

/** How the loss is computed, where not in f32 as it is. */
export interface LossOptions {
  readonly compute: "f16";
  /** Of the loss, and so of its gradient. */
  readonly factor: number;
}

const lossProgram = (batch: number, options?: LossOptions): Program =>
  trace(
    (...values: Tensor[]) => {
      const [w, b, , weights, x, y] = values as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
      const { compute = "f32", factor = 1 } = options ?? {};
      const [narrowW, narrowX] = [w.cast(compute), x.cast(compute)];
      const squared = narrowX.matmul(narrowW).cast("f32").add(b).sub(y).square().mul(weights).sum();
      const loss = squared.div(weights.sum());
      return [options ? loss.mul(factor) : loss];
    },
    [...parameterTypes, { shape: [2], dtype: "u32" }, f32(batch), f32(batch, features), f32(batch)],
  );

const evaluateProgram = (batch: number): Program =>
  trace(
    (...values: Tensor[]) => {
      const [w, b, weights, x, y] = values as [Tensor, Tensor, Tensor, Tensor, Tensor];
      return [predict(w, b, x).sub(y).square().mul(weights).sum()];
    },
    [...parameterTypes, f32(batch), f32(batch, features), f32(batch)],
  );

/** Local training of so many epochs on what a worker holds. */
export const localRound = (epochs: number) =>
  ({
    work: { kind: "local", epochs, batchSize: 4, optimizer: { name: "sgd", learningRate: 0.1 } },
    server: { name: "sgd", learningRate: 1 },
  }) as const;

export function linearJob(changes: DraftChanges = {}, options?: LossOptions): Uint8Array {
  const parameters = [
    { name: "w", shape: [features], kind: "weight" as const },
    { name: "b", shape: [], kind: "weight" as const },
  ];
  const data = {
    fields: contract.fields.map(({ name, dtype, stored, scale, shape }) => ({
      ...{ name, dtype, stored, scale },
      shape: [...shape],
    })),
  };
  const work = { kind: "gradient", batchSize: 8 } as const;
  const round = { work, server: { name: "sgd", learningRate: 0.1 }, ...changes.round };
  const draft = jobDraft({ name: "linear", parameters, data }, { examples: 20, ...changes, round });
  const at = (batch: number, program: Program) => ({ batch, bytes: encode(program) });
  return encodeJob(draft, {
    initialize: at(
      0,
      trace((key: Tensor) => [normal(key, [features]), tensor(0).cast("f32")], [{ shape: [2], dtype: "u32" }]),
    ),
    loss: [4, 8].map((batch) => at(batch, lossProgram(batch, options))),
    evaluate: at(16, evaluateProgram(16)),
    predict: at(
      16,
      trace(
        (...values: Tensor[]) => [predict(values[0]!, values[1]!, values[2]!)],
        [...parameterTypes, f32(16, features)],
      ),
    ),
  });
}

export const hashOf = (job: Uint8Array) => sha256(job);

/** y = 1·x₀ − 2·x₁ + 0.5·x₂ + 3 on a fixed grid of inputs. */
export function linearData(size: number): Dataset {
  const x = Float32Array.from({ length: size * features }, (_, i) => Math.sin(1 + i * 1.7));
  const y = Float32Array.from(
    { length: size },
    (_, i) => x[features * i]! - 2 * x[features * i + 1]! + 0.5 * x[features * i + 2]! + 3,
  );
  return { contract, size, columns: [x, y] };
}
