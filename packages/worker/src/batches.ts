/** Between flat vectors, datasets and tensors: the shapes in which a job's programs take and give values. */
import type { Batch, DataContract, Dataset } from "@weft/data";
import { assembleBatch } from "@weft/data";
import type { Tensor } from "@weft/tensor";
import { adopt, tensor } from "@weft/tensor";
import type { Manifest } from "@weft/vector";
import { parameterViews } from "@weft/vector";
import type { CheckedJob } from "./job.ts";
import type { ExampleRows } from "./training.ts";

/** A random key u32[2] of a seed and a step within it. */
export function keyTensor(seed: number, step: number): Tensor {
  return tensor(Uint32Array.of(seed % 2 ** 32, (Math.floor(seed / 2 ** 32) ^ step) >>> 0));
}

/** One tensor per parameter, viewing the flat vector; the vector must stay as it is while they are used. */
export function parameterTensors(manifest: Manifest, flat: Float32Array): Tensor[] {
  const views = parameterViews(manifest, flat);
  return manifest.entries.map(({ name, shape }) =>
    adopt(views.get(name) ?? new Float32Array(), { shape, dtype: "f32" }),
  );
}

/** Reads tensors in manifest order into one flat vector: fresh memory, or what is given. */
export async function flatten(
  manifest: Manifest,
  tensors: readonly Tensor[],
  flat: Float32Array = new Float32Array(manifest.size),
): Promise<Float32Array> {
  const views = parameterViews(manifest, flat);
  for (const [i, { name }] of manifest.entries.entries()) {
    const parameter = tensors[i];
    if (!parameter) throw new Error(`${manifest.entries.length} parameters, got ${tensors.length}`);
    await parameter.data(views.get(name));
  }
  return flat;
}

/** from − the tensors in manifest order, as one flat vector. */
export async function differences(
  manifest: Manifest,
  from: Float32Array,
  { parameters, out }: { parameters: readonly Tensor[]; out?: Float32Array | undefined },
): Promise<Float32Array> {
  const differences = await flatten(manifest, parameters, out);
  // A plain loop: `map` with a function takes twenty times as long over memory that threads share.
  for (let i = 0; i < differences.length; i++) differences[i] = from[i]! - differences[i]!;
  return differences;
}

export interface BatchTensors {
  /** f32 [batch]: 1 for a row, 0 for padding. */
  readonly exampleWeights: Tensor;
  readonly fields: Tensor[];
}

export function batchTensors({ dataset, rows }: ExampleRows, batch: number, filling = false): BatchTensors {
  return tensorsOf(paddedBatch(dataset, rows, { capacity: batch, filling }), dataset.contract);
}

/**
 * The rows in a batch of a program's size. Where running statistics are measured, what is left of it is filled with the same rows
 * again, which weigh nothing in the loss: rows of zeros would be measured too. (An unbiased variance is then that of the larger batch.)
 */
export function paddedBatch(
  dataset: Dataset,
  rows: Uint32Array,
  { capacity, filling }: { readonly capacity: number; readonly filling: boolean },
): Batch {
  if (!filling || rows.length === capacity) return assembleBatch(dataset, rows, capacity);
  const filled = Uint32Array.from({ length: capacity }, (_, i) => rows[i % rows.length] ?? 0);
  const batch = assembleBatch(dataset, filled, capacity);
  batch.weights.fill(0, rows.length);
  return batch;
}

/** The batch must stay as it is while the tensors are used. */
export function tensorsOf({ fields, weights }: Batch, contract: DataContract): BatchTensors {
  const batch = weights.length;
  return {
    exampleWeights: adopt(weights, { shape: [batch], dtype: "f32" }),
    fields: contract.fields.map(({ shape, dtype }, i) =>
      adopt(fields[i] ?? new Float32Array(), { shape: [batch, ...shape], dtype }),
    ),
  };
}

/** Consecutive rows 0..size-1 in groups of at most `batch`. */
export function* batchesOf(size: number, batch: number): Generator<Uint32Array> {
  for (let start = 0; start < size; start += batch) {
    yield Uint32Array.from({ length: Math.min(batch, size - start) }, (_, i) => start + i);
  }
}

export async function readScalars(tensors: readonly Tensor[]): Promise<number[]> {
  const values: number[] = [];
  for (const scalar of tensors) values.push(Number((await scalar.data())[0]));
  return values;
}

/** Names the outputs of a loss or evaluate program. */
export function figuresOf(job: CheckedJob, values: ArrayLike<number>): Record<string, number> {
  return Object.fromEntries(["loss", ...job.document.metrics].map((name, i) => [name, values[i] ?? NaN]));
}
