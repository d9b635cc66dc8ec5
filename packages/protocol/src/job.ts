/** The job document: everything a worker needs to train, as data. Programs are opaque bytes here; `tensor` decodes them. */
import * as z from "zod";

const name = z.string().min(1).max(200);
const sizes = z.array(z.int().nonnegative()).max(16);

/** One parameter of the model, in manifest order. */
const parameterSchema = z.strictObject({
  name,
  shape: sizes,
  kind: z.enum(["weight", "statistic", "local"]),
});

/** One field of an example: as programs see it, and how it is stored and sent (value = stored · scale). */
const fieldSchema = z.strictObject({
  name,
  shape: sizes,
  dtype: z.enum(["f32", "i32"]),
  stored: z.enum(["u8", "f32", "i32"]),
  scale: z.number(),
  range: z.tuple([z.number(), z.number()]).optional(),
});

/** A setting of an optimiser: plain data. Schedules are records, optimisers made of others nest. */
export type OptimizerSetting =
  string | number | boolean | readonly OptimizerSetting[] | { readonly [name: string]: OptimizerSetting };

const plainSetting = z.union([z.string(), z.number(), z.boolean()]);

/** Settings nested at most `depth` levels deep: a schedule within ten transformations, no more. */
function settingSchema(depth: number): z.ZodType<OptimizerSetting> {
  if (depth === 0) return plainSetting;
  const inner = settingSchema(depth - 1);
  return z.union([plainSetting, z.array(inner).max(10_000), z.record(z.string(), inner)]);
}

/** An optimiser by name with its hyper-parameters; `optim` validates and builds it. */
const optimizerSchema = z.record(z.string(), settingSchema(12));

const workersSchema = z.union([
  z.strictObject({ fraction: z.number().positive().max(1) }),
  z.strictObject({ count: z.int().positive() }),
]);

/** What a worker does in one round. `batchSize` of gradient work is the whole round's, split over its cohort. */
const workSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("gradient"), batchSize: z.int().positive() }),
  z.strictObject({
    kind: z.literal("local"),
    epochs: z.int().positive(),
    batchSize: z.int().positive(),
    optimizer: optimizerSchema,
  }),
]);

/** The knobs of a round: data-parallel training and federated averaging differ only here. */
const roundSchema = z.strictObject({
  work: workSchema,
  /** Workers invited to a round, of those connected. */
  cohort: workersSchema,
  /** Updates that close it, of those invited. */
  quorum: workersSchema,
  deadlineMs: z.union([z.int().positive(), z.literal("adaptive")]),
  weighting: z.enum(["examples", "uniform"]),
  /** Steps the model with the mean gradient, or with base − mean of local results as its gradient. */
  server: optimizerSchema,
  /** Largest L2 norm of an accepted update; also fixes the grid of exact sums. */
  normBound: z.number().positive(),
});

/** A program traced at one batch size, and where its bytes lie in the job's payload. */
const programSchema = z.strictObject({
  batch: z.int().nonnegative(),
  offset: z.int().nonnegative(),
  bytes: z.int().positive(),
});

export const jobSchema = z.strictObject({
  format: z.literal(1),
  name,
  parameters: z.array(parameterSchema).min(1).max(10_000),
  data: z.strictObject({ fields: z.array(fieldSchema).min(1).max(64) }),
  /** Examples of the training set when the coordinator serves it; 0 when every worker brings its own. */
  examples: z.int().nonnegative(),
  metrics: z.array(name).max(64),
  /**
   * initialize: (key u32[2]) → parameters in order.
   * loss[i], at batch b: (parameters…, key u32[2], weights f32[b], fields [b, …]…) → (Σ w·loss / Σ w, Σ w·metric …).
   * evaluate: (parameters…, weights f32[b], fields…) → (Σ w·loss, Σ w·metric …), dropout off.
   * predict: (parameters…, all fields but the last) → prediction [b, …].
   * A row of weight 0 is padding. The loss programs are sorted by batch; a worker takes the smallest that fits.
   */
  programs: z.strictObject({
    initialize: programSchema,
    loss: z.array(programSchema).min(1).max(64),
    evaluate: programSchema,
    predict: programSchema,
  }),
  round: roundSchema,
  /** Codec of the flat vector, up and down. */
  codec: z.enum(["f32", "f16"]),
  stop: z.strictObject({
    rounds: z.int().positive().optional(),
    epochs: z.number().positive().optional(),
    /** Ends early once the named metric on the test set reaches the value (checked every `every` rounds). */
    target: z.strictObject({ metric: name, value: z.number(), every: z.int().positive() }).optional(),
  }),
  seed: z.int().nonnegative(),
});

export type JobDocument = z.infer<typeof jobSchema>;
export type JobRound = JobDocument["round"];
export type JobWork = JobRound["work"];
export type WorkerShare = z.infer<typeof workersSchema>;
export type JobField = z.infer<typeof fieldSchema>;
