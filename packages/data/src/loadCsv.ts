/** Datasets from comma-separated numbers, packed with gzip or not. */
import { checkedDataset } from "./checkedDataset.ts";
import type { Column, DataContract, Dataset, FieldContract } from "./contract.ts";
import { allocateColumn, elementsOf, fieldText } from "./contract.ts";
import type { CsvRow } from "./csv.ts";
import { csvRows } from "./csv.ts";
import { DataFileError } from "./errors.ts";
import { readText } from "./readBytes.ts";
import { storeNumber } from "./storeNumber.ts";

/**
 * One row per example: the numbers of each field in the contract's order, as they are stored. A header is recognised by a cell
 * that is not a number; with one, a column that bears the name of the last field (the target) holds it wherever it stands.
 */
export async function loadCsv(path: string, contract: DataContract): Promise<Dataset> {
  const text = await readText(path);
  const rows = csvRows(text);
  const first = rows.next();
  if (first.done === true) throw new DataFileError(`${path}: expected rows of numbers, got an empty file`);
  const header = first.value.cells.some((cell) => !isNumber(cell)) ? first.value.cells : undefined;
  const layout = layoutOf(path, contract, header ?? first.value.cells.map(() => ""));

  const kept: CsvRow[] = header ? [] : [first.value];
  for (const row of rows) kept.push(row);
  const columns = contract.fields.map((field) => allocateColumn(field, kept.length));
  kept.forEach((row, index) => {
    storeRow(row, { path, index, layout, columns });
  });
  return checkedDataset(path, { contract, size: kept.length, columns }, contract);
}

/** Where the number of each file column goes. */
interface Place {
  readonly field: FieldContract;
  readonly fieldIndex: number;
  readonly element: number;
  readonly elements: number;
}

function layoutOf(path: string, { fields }: DataContract, header: readonly string[]): Place[] {
  const places = fields.flatMap((field, fieldIndex): Place[] => {
    const elements = elementsOf(field);
    return Array.from({ length: elements }, (_, element) => ({ field, fieldIndex, element, elements }));
  });
  if (header.length !== places.length) {
    throw new DataFileError(
      `${path}: expected ${places.length} columns (${fields.map(fieldText).join(", then ")}), got ${header.length}; ` +
        "give the numbers of every field, the target last or under its name",
    );
  }
  const target = fields.at(-1);
  const named = target && elementsOf(target) === 1 ? header.indexOf(target.name) : -1;
  return named < 0 ? places : places.slice(0, -1).toSpliced(named, 0, ...places.slice(-1));
}

interface RowTarget {
  readonly path: string;
  readonly index: number;
  readonly layout: readonly Place[];
  readonly columns: readonly Column[];
}

function storeRow({ line, cells }: CsvRow, { path, index, layout, columns }: RowTarget): void {
  if (cells.length !== layout.length) {
    throw new DataFileError(
      `${path}, line ${line}: expected ${layout.length} numbers, got ${cells.length}; every row has the same columns`,
    );
  }
  layout.forEach(({ field, fieldIndex, element, elements }, i) => {
    const cell = cells[i] ?? "";
    const [column, where] = [columns[fieldIndex], `${path}, line ${line}, column ${i + 1}`];
    if (!column) throw new Error("a field has no column");
    if (!isNumber(cell)) {
      throw new DataFileError(
        `${where}: expected a number for ${field.name}, got ${JSON.stringify(cell)}; repair the cell`,
      );
    }
    storeNumber(field, Number(cell), { column, index: index * elements + element, where });
  });
}

export const isNumber = (cell: string) => cell !== "" && !Number.isNaN(Number(cell));
