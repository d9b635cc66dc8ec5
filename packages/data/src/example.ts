/** Single examples, as streams bring them, and datasets made of them. */
import type { Dataset, FieldContract } from "./contract.ts";
import { allocateColumn, elementsOf, fieldText } from "./contract.ts";
import { ContractError } from "./errors.ts";
import type { Stream } from "./stream.ts";

/** The values of each field as the model sees them, row-major; a field of shape [] may be a bare number. */
export type Example = readonly (ArrayLike<number> | number)[];

/** Fields whose stored numbers are their values. */
export function contractOf(
  name: string,
  fields: readonly (Pick<FieldContract, "name" | "shape"> & Partial<FieldContract>)[],
): FieldContract[] {
  if (fields.length < 2) {
    throw new ContractError(`${name}: expected at least two fields, the input and the target, got ${fields.length}`);
  }
  return fields.map(({ name, shape, dtype = "f32", range }) => ({
    ...{ name, shape, dtype, stored: dtype, scale: 1 },
    ...(range === undefined ? {} : { range }),
  }));
}

/**
 * All the examples in memory.
 *
 * @throws {ContractError} naming the example and the field that do not fit
 */
export async function datasetOf(
  name: string,
  fields: readonly FieldContract[],
  examples: Stream<Example>,
): Promise<Dataset> {
  const rows: Example[] = [];
  for await (const example of examples) rows.push(example);
  const columns = fields.map((field) => allocateColumn(field, rows.length));
  rows.forEach((example, row) => {
    const given: unknown = example;
    const count = Array.isArray(given) ? given.length : undefined;
    if (count !== fields.length) {
      const expected = fields.map(fieldText).join("; ");
      throw new ContractError(
        `${name}, example ${row}: expected a list of ${fields.length} fields (${expected}), got ${count ?? typeof given}; give one value for each`,
      );
    }
    fields.forEach((field, f) => {
      const given = example[f]!;
      const values = typeof given === "number" ? [given] : given;
      const elements = elementsOf(field);
      if (values.length !== elements) {
        throw new ContractError(
          `${name}, example ${row}: expected ${elements} numbers for ${fieldText(field)}, got ${values.length}; change the example or the field's shape`,
        );
      }
      assertWhole(field, values, `${name}, example ${row}`);
      columns[f]!.set(values, row * elements);
    });
  });
  return { contract: { fields }, size: rows.length, columns };
}

/** An i32 column would cut fractions off without a word. */
function assertWhole(field: FieldContract, values: ArrayLike<number>, where: string): void {
  if (field.dtype !== "i32") return;
  for (let i = 0; i < values.length; i++) {
    if (Number.isInteger(values[i])) continue;
    throw new ContractError(
      `${where}: expected whole numbers for ${fieldText(field)}, got ${values[i]}; round it, or make the field f32`,
    );
  }
}
