/** What jobs of tests have in common: rounds of everyone, weighed by examples, in full precision. */
import type { encodeJob, JobDraft } from "@weft/protocol";
import { trace, uniform } from "@weft/tensor";
import { encode } from "@weft/tensor/programs";

/** Changes of single rules, where the rest stays as it is. */
export interface DraftChanges extends Partial<Omit<JobDraft, "round" | "codec">> {
  readonly round?: Partial<JobDraft["round"]>;
  readonly codec?: Partial<JobDraft["codec"]>;
}

export function jobDraft(
  given: Pick<JobDraft, "name" | "parameters" | "data">,
  { round, codec, ...changes }: DraftChanges = {},
): JobDraft {
  return {
    format: 1,
    ...given,
    examples: 100,
    metrics: [],
    round: {
      work: { kind: "gradient", batchSize: 12 },
      cohort: { fraction: 1 },
      quorum: { fraction: 1 },
      deadlineMs: "adaptive",
      weighting: "examples",
      server: { name: "sgd", learningRate: 1 },
      normBound: 1e4,
      ...round,
    },
    codec: { up: { kind: "f32" }, down: { kind: "f32" }, ...codec },
    stop: { rounds: 10 },
    seed: 5,
    ...changes,
  };
}

/** Of a job whose workers are scripted: nobody runs any but the first. */
export function scriptedPrograms(parameters: JobDraft["parameters"]): Parameters<typeof encodeJob>[1] {
  const initialize = trace(
    (key) => parameters.map(({ shape }) => uniform(key, shape, { min: -1 })),
    [{ shape: [2], dtype: "u32" }],
  );
  const never = { batch: 1, bytes: new Uint8Array([1]) };
  return { initialize: { batch: 0, bytes: encode(initialize) }, loss: [never], evaluate: never, predict: never };
}
