/** Checks on the settings of layers. */
import { ModelError } from "./errors.ts";

/**
 * Every layer hands over its options and the names that it knows, as JavaScript and files that were cast never met a compiler.
 *
 * @throws {ModelError} for the first option of another name
 */
export function checkOptions(kind: string, options: object, known: readonly string[]): void {
  const other = Object.keys(options).find((name) => !known.includes(name));
  if (other === undefined) return;
  throw new ModelError(`${kind}: expected the options ${known.join(", ")}, got ${other}; rename it or leave it out`);
}

/** @throws {ModelError} unless every number is whole and at least 1 */
export function checkCount(kind: string, setting: string, value: number | readonly number[]): void {
  // Undefined where JavaScript calls it `units`, say.
  const numbers = [value].flat();
  if (numbers.length > 0 && numbers.every((n) => Number.isInteger(n) && n >= 1)) return;
  throw new ModelError(
    `${kind}: ${setting} must be a whole number of at least 1, got ${JSON.stringify(value)}; as in { ${setting}: 2 }`,
  );
}
