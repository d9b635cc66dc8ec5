/** Datasets in memory that threads share. */
import type { Column, Dataset } from "@weft/data";

/** The same examples; copied, unless they lie there already. */
export function sharedDataset({ contract, size, columns }: Dataset): Dataset {
  return { contract, size, columns: columns.map(sharedColumn) };
}

function sharedColumn(column: Column): Column {
  if (column.buffer instanceof SharedArrayBuffer) return column;
  const memory = new SharedArrayBuffer(column.byteLength);
  const shared =
    column instanceof Float32Array
      ? new Float32Array(memory)
      : column instanceof Int32Array
        ? new Int32Array(memory)
        : new Uint8Array(memory);
  shared.set(column);
  return shared;
}
