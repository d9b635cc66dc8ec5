/** Jobs for runs whose workers are scripted: any number of parameters, no network behind them. */
import { encodeJob, type JobDocument } from "@weft/protocol";
import { jobDraft, scriptedPrograms } from "../jobDraft.ts";

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
  const data = { fields: [{ name: "x", shape: [2], dtype: "f32" as const, stored: "u8" as const, scale: 1 }] };
  const rules = {
    work: { kind: "gradient", batchSize: 4000 },
    deadlineMs: 300_000,
    server: { name: "sgd", learningRate: 0.5 },
    normBound: 1e6,
  } as const;
  const changes = { examples: 100_000, round: { ...rules, ...round }, codec: codec ?? {}, stop: { rounds } };
  return encodeJob(jobDraft({ name: "plain", parameters, data }, changes), scriptedPrograms(parameters));
}
