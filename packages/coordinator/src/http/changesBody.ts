/** The body of a request to change a run: JSON with nothing in it but rules that may be changed. */
import * as z from "zod";
import type { Changes } from "../round/state.ts";
import { ApiError } from "./apiError.ts";

const number = z.number();

export const changeFields = {
  learningRate: number.optional(),
  quorum: z.union([z.strictObject({ fraction: number }), z.strictObject({ count: number })]).optional(),
  deadlineMs: z.union([number, z.literal("adaptive"), z.strictObject({ deviations: number })]).optional(),
};

export const changeForms = {
  learningRate: "a number",
  quorum: '{"fraction": number} or {"count": number}',
  deadlineMs: 'milliseconds, "adaptive" or {"deviations": number}',
};

const changesSchema = z.strictObject(changeFields);

/** Only the form; what makes sense for a run is the run's to say. @throws {ApiError} */
export function parseChanges(body: string): Changes {
  const changes = parseBody(body, changesSchema, { forms: changeForms, example: '{"learningRate": 0.01}' });
  if (Object.values(changes).every((change) => change === undefined)) {
    throw new ApiError(400, "body", `nothing to change; give one of ${Object.keys(changeForms).join(", ")}`);
  }
  return changes;
}

interface BodyForms {
  /** What is expected of each field, in words. */
  readonly forms: Readonly<Record<string, string>>;
  readonly example: string;
}

/** A JSON object of a known form. @throws {ApiError} */
export function parseBody<T>(body: string, schema: z.ZodType<T>, { forms, example }: BodyForms): T {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new ApiError(400, "json", `a JSON object expected, such as ${example}`);
  }
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  const field = String(error.issues[0]?.path[0] ?? "");
  const form = forms[field];
  const names = Object.keys(forms).join(", ");
  // Zod names a field only where there is an object.
  const got = clipped(field === "" ? value : (value as Readonly<Record<string, unknown>>)[field]);
  const expected = form === undefined ? `an object of ${names} expected` : `${field}: ${form} expected`;
  throw new ApiError(400, "body", `${expected}, got ${got}`);
}

/** What came, as far as it fits a line. */
function clipped(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value);
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
