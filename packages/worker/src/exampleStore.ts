/** Examples the coordinator serves, kept once fetched: a growing dataset with a map from example index to its row. */
import type { DataContract, Dataset } from "@weft/data";
import { JobRefusedError, OrderDeclinedError } from "./errors.ts";
import type { ExampleRows } from "./training.ts";

const storedArray = { u8: Uint8Array, f32: Float32Array, i32: Int32Array } as const;

/** Asks the coordinator for stored rows: one after another, field after field. */
export type FetchRows = (indices: Uint32Array) => Promise<Uint8Array>;

/** Rows asked for in one request; keeps answers to a few MiB. */
const rowsPerRequest = 4096;

export class ExampleStore {
  private readonly contract: DataContract;
  private readonly rowOf = new Map<number, number>();
  private columns: (Uint8Array | Float32Array | Int32Array)[];
  private capacity = 0;
  /** Settles when nobody is fetching: what two ask for is fetched once, and has one row. */
  private fetched: Promise<unknown> = Promise.resolve();

  constructor(contract: DataContract) {
    this.contract = contract;
    this.columns = contract.fields.map(({ stored }) => new storedArray[stored](0));
  }

  /** The rows of these examples, fetching those not here yet. */
  async rows(indices: Uint32Array, fetch: FetchRows): Promise<ExampleRows> {
    const fetched = this.fetched.then(() => this.fetchMissing(indices, fetch));
    this.fetched = fetched.catch(() => undefined); // told to whoever asked; the next asks for itself
    await fetched;
    const dataset: Dataset = { contract: this.contract, size: this.rowOf.size, columns: this.columns };
    return { dataset, rows: indices.map((index) => this.rowOf.get(index) ?? 0) };
  }

  private async fetchMissing(indices: Uint32Array, fetch: FetchRows): Promise<void> {
    const missing = indices.filter((index) => !this.rowOf.has(index));
    for (let start = 0; start < missing.length; start += rowsPerRequest) {
      const asked = missing.subarray(start, start + rowsPerRequest);
      this.add(asked, await fetch(asked));
    }
  }

  private add(indices: Uint32Array, payload: Uint8Array): void {
    const expected = indices.length * rowBytes(this.contract);
    if (payload.length !== expected) {
      throw new OrderDeclinedError(
        "examples",
        `expected ${expected} bytes for ${indices.length} rows, got ${payload.length}`,
      );
    }
    const first = this.rowOf.size;
    this.grow(first + indices.length);
    let offset = 0;
    this.contract.fields.forEach(({ shape, stored }, field) => {
      const elements = elementsOf(shape);
      const bytes = indices.length * elements * storedArray[stored].BYTES_PER_ELEMENT;
      const column = this.columns[field];
      if (!column) throw new Error(`field ${field} has no column`);
      const target = new Uint8Array(column.buffer, first * elements * column.BYTES_PER_ELEMENT, bytes);
      target.set(payload.subarray(offset, offset + bytes));
      offset += bytes;
    });
    indices.forEach((index, i) => this.rowOf.set(index, first + i));
  }

  /** Doubles the columns when they are full; the dataset handed out before keeps its own arrays. */
  private grow(rows: number): void {
    if (rows <= this.capacity) return;
    this.capacity = Math.max(rows, 2 * this.capacity, 1024);
    this.columns = this.contract.fields.map(({ shape, stored }, field) => {
      const larger = new storedArray[stored](this.capacity * elementsOf(shape));
      const column = this.columns[field];
      if (column) larger.set(column);
      return larger;
    });
  }
}

export function rowBytes(contract: DataContract): number {
  return contract.fields.reduce(
    (bytes, { shape, stored }) => bytes + elementsOf(shape) * storedArray[stored].BYTES_PER_ELEMENT,
    0,
  );
}

const elementsOf = (shape: readonly number[]) => shape.reduce((size, n) => size * n, 1);

/** Every row of a dataset, in order. */
export function allRows(dataset: Dataset): ExampleRows {
  if (dataset.size === 0) throw new JobRefusedError("this worker's data is empty; give it at least one example");
  return { dataset, rows: Uint32Array.from({ length: dataset.size }, (_, i) => i) };
}
