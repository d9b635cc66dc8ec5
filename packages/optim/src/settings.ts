/** Checks on the settings of an optimiser, shared by all of them. */
import { OptimizerError } from "./errors.ts";

interface Range {
  readonly text: string;
  readonly holds: (value: number) => boolean;
}

export const positive: Range = { text: "a number above 0", holds: (value) => value > 0 };
export const nonNegative: Range = { text: "a number of at least 0", holds: (value) => value >= 0 };
export const fraction: Range = {
  text: "a number of at least 0 and below 1",
  holds: (value) => value >= 0 && value < 1,
};

/** @throws {OptimizerError} naming the first setting outside its range; settings without a range are true or false */
export function checkSettings(spec: { readonly name: string }, ranges: Readonly<Record<string, Range>>): void {
  for (const [setting, value] of Object.entries(spec) as [string, unknown][]) {
    if (setting === "name") continue;
    const range = ranges[setting];
    const holds = range
      ? typeof value === "number" && Number.isFinite(value) && range.holds(value)
      : typeof value === "boolean";
    if (!holds) {
      throw new OptimizerError(
        `${spec.name}: ${setting} must be ${range?.text ?? "true or false"}, got ${typeof value === "number" ? value : JSON.stringify(value)}`,
      );
    }
  }
}
