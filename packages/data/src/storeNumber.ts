/** Puts numbers that were read from a file into a field's column, refusing what the field cannot hold. */
import type { Column, FieldContract } from "./contract.ts";
import { fieldText } from "./contract.ts";
import { DataFileError } from "./errors.ts";

const holds = {
  u8: (x: number) => Number.isInteger(x) && x >= 0 && x <= 255,
  i32: (x: number) => x === (x | 0),
  f32: (x: number) => Number.isFinite(x),
} as const;

const kinds = { u8: "a whole number from 0 to 255", i32: "a whole number of 32 bits", f32: "a finite number" } as const;

/**
 * Writes `number` to `column[index]`.
 *
 * @param where file and place, for the message
 */
export function storeNumber(
  field: FieldContract,
  number: number,
  to: { column: Column; index: number; where: string },
): void {
  if (!holds[field.stored](number)) {
    const scaled = field.scale === 1 ? "" : ` (files hold stored numbers; the value is ${field.scale} times that)`;
    throw new DataFileError(
      `${to.where}: ${fieldText(field)} is stored as ${field.stored}; expected ${kinds[field.stored]}, got ${number}${scaled}`,
    );
  }
  to.column[to.index] = number;
}
