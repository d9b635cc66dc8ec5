/** Augmentation: small random changes to examples as they are trained on, the same ones for the same seed and epoch. */
import type { Batch } from "./batch.ts";
import type { DataContract, FieldContract } from "./contract.ts";
import { elementsOf } from "./contract.ts";
import { ContractError, DataRangeError } from "./errors.ts";
import type { Generator } from "./generator.ts";
import { bell, createGenerator } from "./generator.ts";

/**
 * Changes the input of one example. Pure: it returns new values, or the ones given when nothing changes, and draws from
 * `generator` alone.
 *
 * @param values row-major, of `shape`
 */
export type Augmentation = (
  values: Float32Array,
  shape: readonly number[],
  generator: Pick<Generator, "below" | "unit">,
) => Float32Array;

export interface AugmentOptions {
  readonly contract: DataContract;
  /** Index in the dataset of each example: what it gets depends on this, not on its place in a batch. */
  readonly rows: ArrayLike<number>;
  readonly seed: number;
  readonly epoch: number;
}

/** A batch whose first field has gone through the augmentations, one after the other; rows of filling stay as they are. */
export function augmentBatch(batch: Batch, augmentations: readonly Augmentation[], options: AugmentOptions): Batch {
  const { contract, rows, seed, epoch } = options;
  const [field] = contract.fields;
  const [inputs, ...others] = batch.fields;
  const elements = field ? elementsOf(field) : 0;
  const changed = Float32Array.from(inputs ?? []);
  for (let i = 0; i < rows.length; i++) {
    const own = inputs?.subarray(i * elements, (i + 1) * elements);
    changed.set(augmentExample(own, augmentations, { field, row: rows[i]!, seed, epoch }), i * elements);
  }
  return { fields: [changed, ...others], weights: batch.weights };
}

/** @param input of one example, which must be f32 */
export function augmentExample(
  input: ArrayLike<number> | number | undefined,
  augmentations: readonly Augmentation[],
  place: {
    readonly field: FieldContract | undefined;
    readonly row: number;
    readonly seed: number;
    readonly epoch: number;
    /** Numbers of its own for each time that one example is augmented; default 0. */
    readonly stage?: number;
  },
): Float32Array {
  const { field, row, seed, epoch, stage = 0 } = place;
  if (field?.dtype !== "f32") {
    throw new ContractError(
      `augmentation: expected a first field of dtype f32, got ${field?.dtype ?? "none"}; leave augment out`,
    );
  }
  const generator = createGenerator("augment", seed, epoch, row, ...(stage === 0 ? [] : [stage]));
  const own =
    input instanceof Float32Array ? input : Float32Array.from(typeof input === "number" ? [input] : (input ?? []));
  const values = augmentations.reduce((x, augment) => augment(x, field.shape, generator), own);
  const elements = elementsOf(field);
  if (values.length === elements) return values;
  throw new DataRangeError(
    `augmentation: expected ${elements} values for shape [${field.shape.join()}], got ${values.length}; keep the shape`,
  );
}

/** Moves an image by up to `pixels` along both axes; what comes in is `fill`. */
export function shift(options: { readonly pixels: number; readonly fill?: number }): Augmentation {
  const { pixels, fill = 0 } = options;
  assertWhole("shift", pixels);
  return (values, shape, generator) => {
    const [down, right] = [generator.below(2 * pixels + 1) - pixels, generator.below(2 * pixels + 1) - pixels];
    return resampled(values, imageShape("shift", shape), { source: (y, x) => [y - down, x - right], fill });
  };
}

/**
 * Cuts a piece of random size and place out of an image, of the image's proportions and at least `least` of its sides (0.8 for
 * four fifths), and enlarges it to the old size, bilinearly.
 */
export function crop({ least }: { readonly least: number }): Augmentation {
  if (!(least > 0 && least <= 1))
    throw new DataRangeError(`crop: expected a share above 0 and at most 1, got ${least}`);
  return (values, shape, generator) => {
    const { height, width, channels } = imageShape("crop", shape);
    const share = least + (1 - least) * generator.unit();
    const [top, left] = [height, width].map((side) => (1 - share) * (side - 1) * generator.unit());
    const result = new Float32Array(values.length);
    for (let y = 0, to = 0; y < height; y++) {
      const rows = between((top ?? 0) + y * share, height);
      for (let x = 0; x < width; x++) {
        const columns = between((left ?? 0) + x * share, width);
        for (let c = 0; c < channels; c++) {
          const pixel = (row: number, column: number) => values[(row * width + column) * channels + c]!;
          const upper = mix(pixel(rows.before, columns.before), pixel(rows.before, columns.after), columns.part);
          const lower = mix(pixel(rows.after, columns.before), pixel(rows.after, columns.after), columns.part);
          result[to++] = mix(upper, lower, rows.part);
        }
      }
    }
    return result;
  };
}

const mix = (a: number, b: number, part: number) => a + (b - a) * part;

/** The whole places around one, and how far it is on the way from the first to the second. */
function between(place: number, side: number): { before: number; after: number; part: number } {
  const before = Math.min(Math.floor(place), side - 1);
  return { before, after: Math.min(before + 1, side - 1), part: place - before };
}

/** Mirrors an image with the probability given, by default one half; "horizontal" swaps left and right. */
export function flip(options: { readonly axis?: "horizontal" | "vertical"; readonly probability?: number } = {}) {
  const { axis = "horizontal", probability = 0.5 } = options;
  assertProbability("flip", probability);
  const augmentation: Augmentation = (values, shape, generator) => {
    const image = imageShape("flip", shape);
    if (generator.unit() >= probability) return values;
    const [bottom, end] = [image.height - 1, image.width - 1];
    const source = (y: number, x: number): [number, number] => (axis === "horizontal" ? [y, end - x] : [bottom - y, x]);
    return resampled(values, image, { source, fill: 0 });
  };
  return augmentation;
}

/** Adds noise of mean 0 and this standard deviation, nearly normal, to every value; for inputs of any shape. */
export function noise({ std }: { readonly std: number }): Augmentation {
  if (!(std >= 0 && Number.isFinite(std))) {
    throw new DataRangeError(`noise: expected a standard deviation of at least 0, got ${std}`);
  }
  return (values, _shape, generator) => values.map((value) => value + std * bell(generator.unit));
}

interface ImageShape {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

function imageShape(name: string, shape: readonly number[]): ImageShape {
  const [height, width, channels = 1] = shape;
  if (height === undefined || width === undefined || shape.length > 3) {
    throw new ContractError(
      `${name}: expected images [height, width] or [height, width, channels], got [${shape.join()}]`,
    );
  }
  return { height, width, channels };
}

/** Every pixel from where `source` says; pixels from outside are `fill`. */
function resampled(
  values: Float32Array,
  { height, width, channels }: ImageShape,
  { source, fill }: { source: (y: number, x: number) => [number, number]; fill: number },
): Float32Array {
  const result = new Float32Array(values.length);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [fromY, fromX] = source(y, x);
      const inside = fromY >= 0 && fromY < height && fromX >= 0 && fromX < width;
      const from = (fromY * width + fromX) * channels;
      for (let c = 0; c < channels; c++) result[to++] = inside ? values[from + c]! : fill;
    }
  }
  return result;
}

function assertWhole(name: string, pixels: number): void {
  if (!Number.isInteger(pixels) || pixels < 0) {
    throw new DataRangeError(`${name}: expected a whole number of pixels, got ${pixels}`);
  }
}

function assertProbability(name: string, probability: number): void {
  if (!(probability >= 0 && probability <= 1)) {
    throw new DataRangeError(`${name}: expected a probability from 0 to 1, got ${probability}`);
  }
}
