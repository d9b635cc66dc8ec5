/** A schema's complaints as one line for people: where, what was expected, what came. */
import type { z } from "zod";
import { quote } from "./errors.ts";

const shown = 3;

/** `subject: path: what was expected; got value` for the first few issues. */
export function explain(subject: string, value: unknown, issues: readonly z.core.$ZodIssue[]): string {
  const lines = issues.slice(0, shown).map((issue) => explainIssue(issue, value));
  const more = issues.length > shown ? [`and ${issues.length - shown} more`] : [];
  return `${subject}: ${[...lines, ...more].join("; ")}`;
}

function explainIssue(issue: z.core.$ZodIssue, value: unknown): string {
  const path = issue.path.map((step) => clip(String(step))).join(".");
  const place = path === "" ? "" : `${path}: `;
  if (issue.code === "unrecognized_keys") {
    return `${place}unknown field ${issue.keys.slice(0, shown).map(quote).join(", ")}`;
  }
  // Zod names the received type but not the value; the value says more, and nothing at all means a missing field.
  const expected = issue.message.replace(/^Invalid input: /, "").replace(/, received .*$/, "");
  return `${place}${expected}, got ${quote(valueAt(value, issue.path))}`;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let current = value;
  for (const step of path) {
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, step)) return undefined;
    current = Reflect.get(current, step) as unknown;
  }
  return current;
}

function clip(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
