/** How flat vectors travel, as the job says it; `@weft/vector` says what each codec does. */
import * as z from "zod";

/** Codecs that are close enough to what they are given to carry whole weights. */
const publishingKinds = ["f32", "f16", "bf16", "int8", "int4"] as const;

const updateCodecSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.enum([...publishingKinds, "int2", "sign"]) }),
  z.strictObject({ kind: z.enum(["topK", "randomK"]), fraction: z.number().positive().max(0.5) }),
  z.strictObject({ kind: z.literal("lowRank"), rank: z.int().positive().max(256) }),
]);

/** Codecs of the flat vector: of updates on their way up, and of the versions sent down. */
export const codecSchema = z.strictObject({
  up: updateCodecSchema,
  down: z.strictObject({ kind: z.enum(publishingKinds) }),
});
