/** Where a round's knobs do not have their form, for those who tell in words of their own what was expected there. */
import { roundSchema } from "./round.ts";

/** The path to the first value that does not fit, from the round itself; undefined where all of them do. */
export function roundMisfit(round: unknown): readonly string[] | undefined {
  const { success, error } = roundSchema.safeParse(round);
  if (success) return undefined;
  const [issue] = error.issues;
  const unknown = issue?.code === "unrecognized_keys" ? issue.keys.slice(0, 1) : [];
  return [...(issue?.path ?? []), ...unknown].map(String);
}
