/** When a run ends: at whichever comes first. */
import * as z from "zod";

const metric = z.string().min(1).max(200);

export const stopSchema = z.strictObject({
  rounds: z.int().positive().optional(),
  epochs: z.number().positive().optional(),
  /** Ends early once the named metric reaches the value (checked every `every` rounds). */
  target: z.strictObject({ metric, value: z.number(), every: z.int().positive() }).optional(),
  /** Ends early after so many evaluations in a row without a better value, by more than `minDelta`, of the metric. */
  patience: z
    .strictObject({ metric, evaluations: z.int().positive(), minDelta: z.number().nonnegative().optional() })
    .optional(),
});

export type StopRule = z.infer<typeof stopSchema>;
