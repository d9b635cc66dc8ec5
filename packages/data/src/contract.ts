/** What data is: a contract of fields that a job states, and a dataset that keeps it. */

/** One field of an example: as a Program sees it, and how it is stored and sent. */
export interface FieldContract {
  readonly name: string;
  /** Of one example, without the batch axis. */
  readonly shape: readonly number[];
  readonly dtype: "f32" | "i32";
  readonly stored: StoredType;
  /** value = stored number × scale. */
  readonly scale: number;
  /** Of the values (not of the stored numbers), both ends included. For labels: 0 to classes − 1. */
  readonly range?: readonly [number, number] | undefined;
}

export type StoredType = "u8" | "f32" | "i32";

/** By convention the first field is the model's input and the last one the target. */
export interface DataContract {
  readonly fields: readonly FieldContract[];
}

/** The stored numbers of one field, row-major: example after example. */
export type Column = Uint8Array | Float32Array | Int32Array;

export interface Dataset {
  readonly contract: DataContract;
  /** Number of examples. */
  readonly size: number;
  /** One per field. */
  readonly columns: readonly Column[];
}

/** A dataset that is fetched when wanted. */
export interface DatasetSource {
  readonly name: string;
  load(): Promise<{ readonly train: Dataset; readonly test: Dataset }>;
}

/** Numbers that one example of a field holds. */
export function elementsOf(field: FieldContract): number {
  return field.shape.reduce((elements, n) => elements * n, 1);
}

export const storedBytes: Readonly<Record<StoredType, number>> = { u8: 1, f32: 4, i32: 4 };

const columnTypes = { u8: Uint8Array, f32: Float32Array, i32: Int32Array } as const;

/** A zero-filled column for `size` examples. */
export function allocateColumn(field: FieldContract, size: number): Column {
  return new columnTypes[field.stored](size * elementsOf(field));
}

/** True when the column is of the array type that the field is stored in. */
export function isStoredAs(column: Column, stored: StoredType): boolean {
  return column instanceof columnTypes[stored];
}

/** `image f32[28,28,1]`, as messages name a field. */
export function fieldText({ name, dtype, shape }: FieldContract): string {
  return `${name} ${dtype}[${shape.join(",")}]`;
}
