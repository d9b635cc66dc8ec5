/** What may stand in a header: plain data only. msgpackr writes typed arrays wrongly and silently, so they must not reach it. */
import { ProtocolError, quote } from "./errors.ts";

/** Keys that would reach an object's prototype if a careless reader assigned them. */
export const forbiddenKeys: readonly string[] = ["__proto__", "constructor", "prototype"];

/**
 * A copy of `value` with properties that are `undefined` left out, as JSON does.
 *
 * @throws {ProtocolError} for anything but null, booleans, numbers, strings, arrays and plain objects
 */
export function plainData(value: unknown, where = "header"): unknown {
  if (value === null || typeof value === "boolean" || typeof value === "number" || typeof value === "string") {
    return value;
  }
  if (Array.isArray(value)) return value.map((item, index) => plainData(item, `${where}[${index}]`));
  if (typeof value !== "object" || !isPlain(value)) {
    throw new ProtocolError(
      "header",
      `${where}: expected plain data, got ${describe(value)}; numbers in bulk travel as raw payload beside the header`,
    );
  }
  const copy: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    if (forbiddenKeys.includes(key)) {
      throw new ProtocolError("header", `${where}: the key ${quote(key)} is not allowed; choose another name`);
    }
    if (item !== undefined) copy[key] = plainData(item, `${where}.${key}`);
  }
  return copy;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function describe(value: unknown): string {
  if (typeof value !== "object" || value === null) return value === undefined ? "undefined" : `a ${typeof value}`;
  return value.constructor.name === "" ? "an object" : `a ${value.constructor.name}`;
}
