/** Examples a worker holds out from training, to measure versions on: the same ones in every round of a run. */
import { permutation } from "@weft/data";
import type { ExampleRows } from "./training.ts";

export interface DividedRows {
  readonly training: ExampleRows;
  /** Undefined where there are too few examples to hold one out. */
  readonly heldOut: ExampleRows | undefined;
}

/** Divides a worker's share by the run's seed; both parts keep the order of the whole. At least one example is trained on. */
export function divideRows(share: ExampleRows, fraction: number, seed: number): DividedRows {
  const { dataset, rows } = share;
  const held = Math.max(1, Math.round(rows.length * fraction));
  if (held >= rows.length) return { training: share, heldOut: undefined };
  const order = permutation(rows.length, seed, 0);
  const take = (places: Uint32Array): ExampleRows => ({
    dataset,
    rows: places.toSorted().map((place) => rows[place] ?? 0),
  });
  return { training: take(order.subarray(held)), heldOut: take(order.subarray(0, held)) };
}
