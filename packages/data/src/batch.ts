/** From stored rows to batches of values, and raw rows in and out of a dataset. */
import type { Column, DataContract, Dataset, FieldContract } from "./contract.ts";
import { allocateColumn, elementsOf, storedBytes } from "./contract.ts";
import { ContractError, DataRangeError } from "./errors.ts";

/** A batch of a fixed capacity, so that one compiled Program takes the last, shorter batch too. */
export interface Batch {
  /** One per field, [capacity, ...shape], scaled. */
  readonly fields: readonly (Float32Array | Int32Array)[];
  /** [capacity]: 1 for a real example, 0 for a row of filling. */
  readonly weights: Float32Array;
}

/**
 * Gathers the examples at `indices` and scales them; rows past `indices.length` are zero and weigh nothing.
 *
 * @param options.reuse an earlier batch of this dataset and capacity, overwritten and returned
 * @throws {DataRangeError} when there are more indices than `capacity`, or an index is outside the dataset
 */
export function assembleBatch(
  dataset: Dataset,
  indices: ArrayLike<number>,
  capacity: number,
  options: { readonly reuse?: Batch } = {},
): Batch {
  if (indices.length > capacity) {
    throw new DataRangeError(`a batch of ${capacity} cannot hold ${indices.length} examples; raise its capacity`);
  }
  assertIndices(dataset, indices);
  const batch = options.reuse ?? emptyBatch(dataset.contract, capacity);
  dataset.contract.fields.forEach((field, f) => {
    const [column, values] = [dataset.columns[f], batch.fields[f]];
    const elements = elementsOf(field);
    if (!column || values?.length !== capacity * elements) {
      throw new DataRangeError(`the batch to reuse does not fit ${capacity} rows of ${field.name}; leave it out once`);
    }
    gather(column, indices, { values, elements, scale: field.scale });
  });
  batch.weights.fill(1, 0, indices.length).fill(0, indices.length);
  return batch;
}

/** The stored bytes of the examples at `indices`, one array per field: what is sent. Numbers are little-endian. */
export function selectRows(dataset: Dataset, indices: ArrayLike<number>): Uint8Array[] {
  assertIndices(dataset, indices);
  return dataset.contract.fields.map((field, f) => {
    const column = columnOf(dataset, f);
    const rowBytes = elementsOf(field) * storedBytes[field.stored];
    const bytes = new Uint8Array(column.buffer, column.byteOffset, column.byteLength);
    const rows = new Uint8Array(indices.length * rowBytes);
    for (let row = 0; row < indices.length; row++) {
      const start = indices[row]! * rowBytes;
      rows.set(bytes.subarray(start, start + rowBytes), row * rowBytes);
    }
    return rows;
  });
}

/**
 * The dataset whose rows `selectRows` gave. Copies.
 *
 * @throws {ContractError} when the bytes are not `size` whole rows of each field
 */
export function datasetFromRows(contract: DataContract, size: number, rows: readonly Uint8Array[]): Dataset {
  if (rows.length !== contract.fields.length) {
    throw new ContractError(`expected rows of ${contract.fields.length} fields, got ${rows.length}; send every field`);
  }
  const columns = contract.fields.map((field, f) => {
    const bytes = rows[f] ?? new Uint8Array();
    const column = allocateColumn(field, size);
    if (bytes.byteLength !== column.byteLength) {
      throw new ContractError(
        `${field.name}: expected ${column.byteLength} bytes for ${size} rows, got ${bytes.byteLength}; send whole rows`,
      );
    }
    new Uint8Array(column.buffer).set(bytes);
    return column;
  });
  return { contract, size, columns };
}

function emptyBatch({ fields }: DataContract, capacity: number): Batch {
  const values = (field: FieldContract) => {
    const length = capacity * elementsOf(field);
    return field.dtype === "f32" ? new Float32Array(length) : new Int32Array(length);
  };
  return { fields: fields.map(values), weights: new Float32Array(capacity) };
}

interface Destination {
  readonly values: Float32Array | Int32Array;
  readonly elements: number;
  readonly scale: number;
}

function gather(column: Column, indices: ArrayLike<number>, { values, elements, scale }: Destination): void {
  for (let row = 0, to = 0; row < indices.length; row++) {
    const from = indices[row]! * elements;
    for (let i = 0; i < elements; i++) values[to++] = column[from + i]! * scale;
  }
  values.fill(0, indices.length * elements);
}

function assertIndices({ size }: Dataset, indices: ArrayLike<number>): void {
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]!;
    if (!Number.isInteger(index) || index < 0 || index >= size) {
      throw new DataRangeError(`example ${index} is outside a dataset of ${size}; expected 0..${size - 1}`);
    }
  }
}

function columnOf(dataset: Dataset, field: number): Column {
  const column = dataset.columns[field];
  if (!column) throw new ContractError(`field ${field} has no column; give one column for each field of the contract`);
  return column;
}
