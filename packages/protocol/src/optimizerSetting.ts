/** Optimisers as data: a name with hyper-parameters, schedules as records, optimisers made of others nested. */
import * as z from "zod";

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
export const optimizerSchema = z.record(z.string(), settingSchema(12));
