/** Checks on the settings of layers. */
import { ModelError } from "./errors.ts";

/** @throws {ModelError} unless every number is whole and at least 1 */
export function checkCount(kind: string, setting: string, value: number | readonly number[]): void {
  // Undefined where JavaScript calls it `units`, say.
  const numbers = [value].flat();
  if (numbers.length > 0 && numbers.every((n) => Number.isInteger(n) && n >= 1)) return;
  throw new ModelError(
    `${kind}: ${setting} must be a whole number of at least 1, got ${JSON.stringify(value)}; as in { ${setting}: 2 }`,
  );
}
