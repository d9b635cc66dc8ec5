/** The body of a request to change a run: JSON with nothing in it but rules that may be changed. */
import * as z from "zod";
import type { Changes } from "../round/state.ts";
import { ApiError } from "./apiError.ts";

const number = z.number();

const changesSchema = z.strictObject({
  learningRate: number.optional(),
  quorum: z.union([z.strictObject({ fraction: number }), z.strictObject({ count: number })]).optional(),
  deadlineMs: z.union([number, z.literal("adaptive"), z.strictObject({ deviations: number })]).optional(),
});

const forms: Readonly<Record<string, string>> = {
  learningRate: "a number",
  quorum: '{"fraction": number} or {"count": number}',
  deadlineMs: 'milliseconds, "adaptive" or {"deviations": number}',
};

/** Only the form; what makes sense for a run is the run's to say. @throws {ApiError} */
export function parseChanges(body: string): Changes {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new ApiError(400, "json", 'a JSON object expected, such as {"learningRate": 0.01}');
  }
  const { success, data, error } = changesSchema.safeParse(value);
  if (!success) {
    const field = String(error.issues[0]?.path[0] ?? "");
    const form = forms[field];
    const names = Object.keys(forms).join(", ");
    throw new ApiError(
      400,
      "body",
      form === undefined ? `an object of ${names} expected` : `${field}: ${form} expected`,
    );
  }
  if (Object.values(data).every((change) => change === undefined)) {
    throw new ApiError(400, "body", `nothing to change; give one of ${Object.keys(forms).join(", ")}`);
  }
  return data;
}
