/** The job document: everything a worker needs to train, as data. Programs are opaque bytes here; `tensor` decodes them. */
import * as z from "zod";
import { codecSchema } from "./codec.ts";
import { roundSchema } from "./round.ts";
import { stopSchema } from "./stop.ts";

const name = z.string().min(1).max(200);
const sizes = z.array(z.int().nonnegative()).max(16);

/** One parameter of the model, in manifest order. */
const parameterSchema = z.strictObject({
  name,
  shape: sizes,
  /** A trained weight, or a running statistic: measured in training, and averaged. */
  kind: z.enum(["weight", "statistic"]),
  /** Each worker has its own, begun from the job's seed, which never leaves it. */
  local: z.boolean().optional(),
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

/** A program traced at one batch size, and where its bytes lie in the job's payload. */
const programSchema = z.strictObject({
  batch: z.int().nonnegative(),
  offset: z.int().nonnegative(),
  bytes: z.int().positive(),
});

/**
 * What layers compute in while training; parameters, updates and the loss are f32 all the same. The loss is multiplied by
 * `lossScale` before its gradient is taken: "dynamic" tries smaller scales where a gradient leaves the range of f16.
 */
const precisionSchema = z.strictObject({
  compute: z.literal("f16"),
  lossScale: z.union([z.literal("dynamic"), z.number().positive()]),
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
   * loss[i], at batch b: (parameters…, key u32[2], weights f32[b], fields [b, …]…) → (Σ w·loss / Σ w, Σ w·metric …, and the
   * parameters that are statistics as this batch leaves them).
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
  /** Absent: f32. The loss programs hold its casts. */
  precision: precisionSchema.optional(),
  codec: codecSchema,
  stop: stopSchema,
  seed: z.int().nonnegative(),
});

export type JobDocument = z.infer<typeof jobSchema>;
export type JobField = z.infer<typeof fieldSchema>;
