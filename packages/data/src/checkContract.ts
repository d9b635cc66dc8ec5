/** Checks a dataset against the contract that a job states, before any of it is used. */
import type { Column, DataContract, Dataset, FieldContract } from "./contract.ts";
import { elementsOf, fieldText, isStoredAs } from "./contract.ts";
import { ContractError } from "./errors.ts";

/**
 * Fields must agree in number, name, shape and dtype, every value must be finite and in the contract's range, and values of
 * i32 fields whole. How they are stored is the dataset's own affair.
 *
 * @throws {ContractError} naming the field, what was expected, what came, and what to do
 */
export function checkContract(dataset: Dataset, contract: DataContract): void {
  const own = dataset.contract.fields;
  const expected = contract.fields;
  if (own.length !== expected.length) {
    throw new ContractError(
      `expected ${expected.length} fields (${expected.map(fieldText).join("; ")}), ` +
        `got ${own.length} (${own.map(fieldText).join("; ")}); give one column for each field`,
    );
  }
  expected.forEach((field, f) => {
    const [mine, column] = [own[f], dataset.columns[f]];
    if (!mine || !column) {
      throw new ContractError(`${field.name}: the dataset has no column for it; give one column for each field`);
    }
    checkField(mine, field);
    checkColumn(mine, column, dataset.size);
    checkValues(mine, column, field);
  });
}

function checkField(mine: FieldContract, field: FieldContract): void {
  if (mine.name !== field.name) {
    throw new ContractError(`expected field ${fieldText(field)}, got ${fieldText(mine)}; rename or reorder the fields`);
  }
  if (mine.shape.join() !== field.shape.join()) {
    throw new ContractError(
      `${field.name}: expected examples of shape [${field.shape.join()}], got [${mine.shape.join()}]; reshape or resize the data`,
    );
  }
  if (mine.dtype !== field.dtype) {
    throw new ContractError(`${field.name}: expected ${field.dtype}, got ${mine.dtype}; convert the data`);
  }
}

function checkColumn(field: FieldContract, column: Column, size: number): void {
  if (!isStoredAs(column, field.stored)) {
    throw new ContractError(
      `${field.name}: its contract says stored as ${field.stored}, got a ${column.constructor.name}; make them agree`,
    );
  }
  const length = size * elementsOf(field);
  if (column.length !== length) {
    throw new ContractError(
      `${field.name}: expected ${length} numbers for ${size} examples of shape [${field.shape.join()}], got ${column.length}; ` +
        "every example needs every field",
    );
  }
  if (!Number.isFinite(field.scale)) {
    throw new ContractError(`${field.name}: expected a finite scale, got ${field.scale}; use 1 for none`);
  }
}

function checkValues(mine: FieldContract, column: Column, field: FieldContract): void {
  const [low, high] = field.range ?? [-Infinity, Infinity];
  const whole = field.dtype === "i32";
  const elements = elementsOf(mine);
  for (let i = 0; i < column.length; i++) {
    const value = column[i]! * mine.scale;
    // Written so that NaN fails too.
    if (Number.isFinite(value) && value >= low && value <= high && (!whole || Number.isInteger(value))) continue;
    throw new ContractError(valueMessage(field, Math.floor(i / elements), value));
  }
}

function valueMessage(field: FieldContract, row: number, value: number): string {
  const kind = field.dtype === "i32" ? "a whole number" : "a finite number";
  const bounds = field.range ? ` from ${field.range[0]} to ${field.range[1]}` : "";
  const remedy =
    field.dtype === "i32" && field.range
      ? `the job knows ${field.range[1] - field.range[0] + 1} classes: relabel or leave out the row`
      : "scale, repair or leave out the row";
  return `${field.name}: row ${row} expected ${kind}${bounds}, got ${value}; ${remedy}`;
}
