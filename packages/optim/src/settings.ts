/** Checks on the settings of optimisers and schedules, shared by all of them. */
import { OptimizerError } from "./errors.ts";

/** What a setting may be. */
export interface Range {
  readonly text: string;
  readonly holds: (value: unknown) => boolean;
}

const numbers = (text: string, holds: (value: number) => boolean): Range => ({
  text,
  holds: (value) => typeof value === "number" && Number.isFinite(value) && holds(value),
});

export const positive: Range = numbers("a number above 0", (value) => value > 0);
export const nonNegative: Range = numbers("a number of at least 0", (value) => value >= 0);
export const fraction: Range = numbers("a number of at least 0 and below 1", (value) => value >= 0 && value < 1);
/** Counts of updates fit the i32 in which they are counted. */
export const count: Range = numbers(
  "a whole number of at least 1",
  (value) => Number.isInteger(value) && value >= 1 && value < 2 ** 31,
);
export const countOrZero: Range = numbers(
  "a whole number of at least 0",
  (value) => Number.isInteger(value) && value >= 0 && value < 2 ** 31,
);
export const flag: Range = { text: "true or false", holds: (value) => typeof value === "boolean" };

/** Checks every setting of `spec` but its name and those that are not in `ranges`.
 *
 * @throws {OptimizerError} naming the first setting outside its range
 */
export function checkSettings(spec: { readonly name: string }, ranges: Readonly<Record<string, Range>>): void {
  const values = spec as unknown as Readonly<Record<string, unknown>>;
  for (const [setting, range] of Object.entries(ranges)) {
    const value = values[setting];
    if (!range.holds(value)) {
      throw new OptimizerError(
        `${spec.name}: ${setting} must be ${range.text}, got ${typeof value === "number" ? value : JSON.stringify(value)}`,
      );
    }
  }
}
