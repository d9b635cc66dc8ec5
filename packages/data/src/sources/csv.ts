/** A CSV file as a dataset source: what its columns are is read off them. */
import { basename } from "node:path";
import type { DataContract, Dataset, DatasetSource } from "../contract.ts";
import type { CsvRow } from "../csv.ts";
import { csvRows } from "../csv.ts";
import { DataFileError } from "../errors.ts";
import { isNumber } from "../loadCsv.ts";
import { readText } from "../readBytes.ts";
import type { HeldOut } from "./heldOut.ts";
import { withTest } from "./heldOut.ts";

export interface CsvOptions {
  /** The column to predict: its name in the header, or its number from 0; default the last one. */
  readonly target?: string | number;
  /**
   * True: the target names classes, in sorted order. False: it is a number. Default: classes when it holds text, or whole numbers
   * that are 0, 1, 2… without a gap.
   */
  readonly classes?: boolean;
  /** What to test with: a share of the rows, or the path of another file; default 0.2. */
  readonly test?: HeldOut;
  /** Which rows are held out; default 0. */
  readonly seed?: number;
}

/** features f32[n] → label i32[], or the target's name f32[1]. Every other column must hold numbers. */
export function csv(path: string, options: CsvOptions = {}): DatasetSource {
  return {
    name: basename(path),
    load: async () => {
      const layout = layoutOf(path, await readText(path), options);
      return withTest(await read(path, layout), options, (other) => read(other, layout));
    },
  };
}

interface Layout {
  readonly hasHeader: boolean;
  readonly target: number;
  /** Number of columns, the target among them. */
  readonly columns: number;
  /** In sorted order; undefined for a target that is a number. */
  readonly classes: readonly string[] | undefined;
  readonly targetName: string;
}

function layoutOf(path: string, text: string, { target, classes }: CsvOptions): Layout {
  const rows = [...csvRows(text)];
  const [first] = rows;
  if (!first || first.cells.length < 2) {
    throw new DataFileError(`${path}: expected rows of at least two columns, got ${first?.cells.length ?? 0}`);
  }
  const columns = first.cells.length;
  const place = typeof target === "string" ? first.cells.indexOf(target) : (target ?? columns - 1);
  if (!(Number.isInteger(place) && place >= 0 && place < columns)) {
    throw new DataFileError(`${path}: expected a column ${target}, got ${first.cells.join(", ")}; name another target`);
  }
  // Text in any column but the target's makes a header; so does a target asked for by name.
  const hasHeader = typeof target === "string" || first.cells.some((cell, i) => i !== place && !isNumber(cell));
  const cells = rows.slice(hasHeader ? 1 : 0).map((row) => row.cells[place] ?? "");
  const targetName = hasHeader ? (first.cells[place] ?? "target") : "target";
  return { hasHeader, target: place, columns, targetName, classes: classesOf(cells, classes) };
}

function classesOf(cells: readonly string[], wanted: boolean | undefined): readonly string[] | undefined {
  const distinct = [...new Set(cells)];
  const numeric = distinct.every(isNumber);
  const sorted = numeric ? distinct.toSorted((a, b) => Number(a) - Number(b)) : distinct.toSorted();
  const counts = numeric && sorted.every((cell, i) => Number(cell) === i);
  return (wanted ?? (!numeric || counts)) ? sorted : undefined;
}

/** The rows as numbers: features in the order of their columns, and the target. */
async function read(path: string, layout: Layout): Promise<Dataset> {
  const { hasHeader, target, columns, classes } = layout;
  const rows = [...csvRows(await readText(path))].slice(hasHeader ? 1 : 0);
  const labels = new Map(classes?.map((name, label) => [name, label]));
  const features = columns - 1;
  const inputs = new Float32Array(rows.length * features);
  const targets = classes ? new Int32Array(rows.length) : new Float32Array(rows.length);
  rows.forEach((row, r) => {
    if (row.cells.length !== columns) {
      throw new DataFileError(
        `${path}, line ${row.line}: expected ${columns} columns, got ${row.cells.length}; every row has the same columns`,
      );
    }
    let feature = 0;
    row.cells.forEach((cell, column) => {
      if (column !== target) inputs[r * features + feature++] = numberIn(cell, { path, row, column });
      else targets[r] = classes ? labelOf(cell, labels, { path, row, column }) : numberIn(cell, { path, row, column });
    });
  });
  return { contract: contractOf(layout), size: rows.length, columns: [inputs, targets] };
}

interface Place {
  readonly path: string;
  readonly row: CsvRow;
  readonly column: number;
}

function numberIn(cell: string, { path, row, column }: Place): number {
  if (isNumber(cell) && Number.isFinite(Number(cell))) return Number(cell);
  throw new DataFileError(
    `${path}, line ${row.line}, column ${column + 1}: expected a number, got ${JSON.stringify(cell)}; repair the cell, or leave the column out`,
  );
}

function labelOf(cell: string, labels: ReadonlyMap<string, number>, { path, row, column }: Place): number {
  const label = labels.get(cell);
  if (label !== undefined) return label;
  throw new DataFileError(
    `${path}, line ${row.line}, column ${column + 1}: expected one of the classes ${[...labels.keys()].slice(0, 10).join(", ")}, got ${JSON.stringify(cell)}`,
  );
}

function contractOf({ columns, classes, targetName }: Layout): DataContract {
  const plain = { scale: 1, stored: "f32", dtype: "f32" } as const;
  return {
    fields: [
      { name: "features", shape: [columns - 1], ...plain },
      classes
        ? {
            name: "label",
            shape: [],
            dtype: "i32",
            stored: "i32",
            scale: 1,
            range: [0, Math.max(0, classes.length - 1)],
          }
        : { name: targetName, shape: [1], ...plain },
    ],
  };
}
