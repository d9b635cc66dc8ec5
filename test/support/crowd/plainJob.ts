/** Jobs for runs whose workers are scripted: any number of parameters, no network behind them. */
import { encodeJob, type JobDocument } from "@weft/protocol";
import { trace, uniform } from "@weft/tensor";
import { encode } from "@weft/tensor/programs";

export interface PlainJob {
  /** Parameters of the model, in equal parts of at most ten million. */
  readonly size: number;
  readonly rounds: number;
  readonly round?: Partial<JobDocument["round"]>;
  readonly codec?: Partial<JobDocument["codec"]>;
}

const largestPart = 10_000_000;

export function plainJob({ size, rounds, round, codec }: PlainJob): Uint8Array {
  const parts = Math.ceil(size / largestPart);
  const parameters = Array.from({ length: parts }, (_, i) => ({
    name: `part${i}`,
    shape: [Math.floor((size * (i + 1)) / parts) - Math.floor((size * i) / parts)],
    kind: "weight" as const,
  }));
  const initialize = trace(
    (key) => parameters.map(({ shape }) => uniform(key, shape, { min: -1 })),
    [{ shape: [2], dtype: "u32" }],
  );
  const never = { batch: 1, bytes: new Uint8Array([1]) };
  return encodeJob(
    {
      format: 1,
      name: "plain",
      parameters,
      data: { fields: [{ name: "x", shape: [2], dtype: "f32", stored: "u8", scale: 1 }] },
      examples: 100_000,
      metrics: [],
      round: {
        work: { kind: "gradient", batchSize: 4000 },
        cohort: { fraction: 1 },
        quorum: { fraction: 1 },
        deadlineMs: 300_000,
        weighting: "examples",
        server: { name: "sgd", learningRate: 0.5 },
        normBound: 1e6,
        ...round,
      },
      codec: { up: { kind: "f32" }, down: { kind: "f32" }, ...codec },
      stop: { rounds },
      seed: 5,
    },
    { initialize: { batch: 0, bytes: encode(initialize) }, loss: [never], evaluate: never, predict: never },
  );
}
