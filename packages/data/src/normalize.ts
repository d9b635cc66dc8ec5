/** Normalisation: inputs brought to a common scale by figures taken from the training data and kept as plain data. */
import { assembleBatch } from "./batch.ts";
import type { Dataset, DatasetSource, FieldContract } from "./contract.ts";
import { elementsOf } from "./contract.ts";
import { ContractError } from "./errors.ts";

/** value' = (value − offset) · factor, for each place that is measured apart. Plain JSON data, to be kept with a model. */
export interface Normalization {
  /** Name of the field that it was fitted on and applies to. */
  readonly field: string;
  readonly offset: readonly number[];
  readonly factor: readonly number[];
}

export interface NormalizationOptions {
  /** "standard" (the default) gives mean 0 and variance 1; "range" gives 0..1. */
  readonly to?: "standard" | "range";
  /** Measured apart: every "feature" of an example (the default), its last axis ("channel"), or "all" together. */
  readonly per?: "feature" | "channel" | "all";
  /** Default: the first field. */
  readonly field?: string;
}

/**
 * Measures a dataset, in two passes so that large means do not drown small deviations. Where all values are equal the factor
 * is 1.
 */
export function fitNormalization(dataset: Dataset, options: NormalizationOptions = {}): Normalization {
  const { to = "standard", per = "feature" } = options;
  const { field, index } = fieldOf(dataset, options.field);
  const elements = elementsOf(field);
  const places = per === "feature" ? elements : per === "channel" ? (field.shape.at(-1) ?? 1) : 1;
  const each = (visit: (value: number, place: number) => void) => {
    const values = valuesOf(dataset, index);
    for (let i = 0; i < values.length; i++) visit(values[i]!, (i % elements) % places);
  };
  const count = (dataset.size * elements) / places;
  const offset = new Float64Array(places);
  const spread = new Float64Array(places);
  if (to === "range") {
    const most = new Float64Array(places).fill(-Infinity);
    offset.fill(Infinity);
    each((value, place) => {
      offset[place] = Math.min(offset[place]!, value);
      most[place] = Math.max(most[place]!, value);
    });
    most.forEach((value, place) => (spread[place] = value - offset[place]!));
  } else {
    each((value, place) => (offset[place]! += value / count));
    each((value, place) => (spread[place]! += (value - offset[place]!) ** 2 / count));
    spread.forEach((variance, place) => (spread[place] = Math.sqrt(variance)));
  }
  const factor = Array.from(spread, (value) => (value > 0 ? 1 / value : 1));
  return { field: field.name, offset: Array.from(offset), factor };
}

/** The dataset with that field normalised and stored as f32; other fields are shared. */
export function normalizeDataset(dataset: Dataset, normalization: Normalization): Dataset {
  const { field, index } = fieldOf(dataset, normalization.field);
  const { offset, factor } = normalization;
  const elements = elementsOf(field);
  if (elements % offset.length !== 0 || factor.length !== offset.length) {
    throw new ContractError(
      `${field.name}: examples of shape [${field.shape.join()}] do not fit a normalisation of ${offset.length} places; ` +
        "use the one that was fitted on data of this shape",
    );
  }
  const values = valuesOf(dataset, index);
  const column = values.map((value, i) => {
    const place = (i % elements) % offset.length;
    return (value - offset[place]!) * factor[place]!;
  });
  const plain: FieldContract = { name: field.name, shape: field.shape, dtype: "f32", stored: "f32", scale: 1 };
  return {
    contract: { fields: dataset.contract.fields.with(index, plain) },
    size: dataset.size,
    columns: dataset.columns.with(index, column),
  };
}

/** A source whose inputs are normalised by figures of its training part, which apply to the test part as they are. */
export interface NormalizedSource extends DatasetSource {
  /** What was fitted, to be kept with the model and applied to what it is to predict. */
  readonly normalization: () => Promise<Normalization>;
}

export function normalized(source: DatasetSource, options: NormalizationOptions = {}): NormalizedSource {
  let loaded: Promise<{ train: Dataset; test: Dataset; normalization: Normalization }> | undefined;
  const load = async () => {
    const { train, test } = await source.load();
    const normalization = fitNormalization(train, options);
    const [first, second] = [train, test].map((part) => normalizeDataset(part, normalization));
    if (!first || !second) throw new Error("a source has two parts");
    return { train: first, test: second, normalization };
  };
  const once = () => (loaded ??= load());
  return { name: source.name, load: once, normalization: async () => (await once()).normalization };
}

function fieldOf({ contract }: Dataset, name: string | undefined): { field: FieldContract; index: number } {
  const index = name === undefined ? 0 : contract.fields.findIndex((field) => field.name === name);
  const field = contract.fields[index];
  if (field?.dtype === "f32") return { field, index };
  const known = contract.fields.filter(({ dtype }) => dtype === "f32").map((other) => other.name);
  throw new ContractError(
    `normalisation: expected a field of dtype f32, got ${name ?? field?.name ?? "no field"}; there are: ${known.join(", ") || "none"}`,
  );
}

function valuesOf(dataset: Dataset, index: number): Float32Array {
  const rows = Uint32Array.from({ length: dataset.size }, (_, i) => i);
  const values = assembleBatch(dataset, rows, dataset.size).fields[index];
  if (!(values instanceof Float32Array)) throw new Error("an f32 field has f32 values");
  return values;
}
