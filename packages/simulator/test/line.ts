/** A job that takes no time, and its data: a line through points. */
import type { Dataset } from "@weft/data";
import { encodeJob, type JobDocument, type JobRound } from "@weft/protocol";
import { tensor, trace, type Program, type Tensor, type TensorType } from "@weft/tensor";
import { encode } from "@weft/tensor/programs";
import { jobDraft } from "../../../test/support/jobDraft.ts";

const f32 = (...shape: number[]): TensorType => ({ shape, dtype: "f32" });
const key: TensorType = { shape: [2], dtype: "u32" };
const field = { shape: [], dtype: "f32", stored: "f32", scale: 1 } as const;
const contract = {
  fields: [
    { name: "x", ...field, shape: [] },
    { name: "y", ...field, shape: [] },
  ],
};

/** y = 2x + 1 on a grid. */
export const data: Dataset = {
  contract,
  size: 200,
  columns: [
    Float32Array.from({ length: 200 }, (_, i) => i / 100 - 1),
    Float32Array.from({ length: 200 }, (_, i) => 2 * (i / 100 - 1) + 1),
  ],
};

const squares = (w: Tensor, b: Tensor, x: Tensor, y: Tensor) => x.mul(w).add(b).sub(y).square();

/** Learns them by federated averaging; `round` changes its rules. */
export function job(
  rounds: number,
  up: JobDocument["codec"]["up"] = { kind: "f32" },
  round: Partial<JobRound> = {},
): Uint8Array {
  const at = (batch: number, program: Program) => ({ batch, bytes: encode(program) });
  const loss = (...values: Tensor[]) => {
    const [w, b, , weights, x, y] = values as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
    return [squares(w, b, x, y).mul(weights).sum().div(weights.sum())];
  };
  const evaluate = (...values: Tensor[]) => {
    const [w, b, weights, x, y] = values as [Tensor, Tensor, Tensor, Tensor, Tensor];
    return [squares(w, b, x, y).mul(weights).sum()];
  };
  const predict = (...values: Tensor[]) => [values[2]!.mul(values[0]!).add(values[1]!)];
  return encodeJob(
    jobDraft(
      {
        name: "line",
        parameters: [
          { name: "w", shape: [], kind: "weight" },
          { name: "b", shape: [], kind: "weight" },
        ],
        data: contract,
      },
      {
        ...{ examples: 200, codec: { up }, stop: { rounds }, seed: 3 },
        round: {
          work: { kind: "local", epochs: 2, batchSize: 5, optimizer: { name: "sgd", learningRate: 0.1 } },
          cohort: { fraction: 0.5 },
          normBound: 100,
          evaluation: { on: "coordinator", every: 1 },
          ...round,
        },
      },
    ),
    {
      initialize: at(
        0,
        trace(() => [tensor(0).cast("f32"), tensor(0).cast("f32")], [key]),
      ),
      loss: [at(5, trace(loss, [f32(), f32(), key, f32(5), f32(5), f32(5)]))],
      evaluate: at(50, trace(evaluate, [f32(), f32(), f32(50), f32(50), f32(50)])),
      predict: at(50, trace(predict, [f32(), f32(), f32(50)])),
    },
  );
}
