/** The errors of this package: each carries a stable `code`, and a message saying what was expected, what came and what to do. */

/** Base of the errors that packages above the vector throw on purpose; `code` is stable across versions. */
export abstract class WeftError extends Error {
  abstract readonly code: string;
  override get name(): string {
    return this.constructor.name;
  }
}

/** A manifest is malformed, or values do not fit it. */
export class ManifestError extends WeftError {
  readonly code = "manifest";
}

/** An array or byte string has another length than its block. */
export class LengthError extends WeftError {
  readonly code = "length";
}

/** A name stands for no codec. */
export class CodecError extends WeftError {
  readonly code = "codec";
}

/** Bytes are not the difference of two encodings, or a codec has none. */
export class DeltaError extends WeftError {
  readonly code = "delta";
}

/** A contribution holds NaN, an infinity, or a value beyond the round's bound. */
export class ValueError extends WeftError {
  readonly code = "value";
}

/** A weight is not an integer in range, or weights do not add up to a mean. */
export class WeightError extends WeftError {
  readonly code = "weight";
}

/** An accumulator is asked for what its grid cannot hold exactly. */
export class GridError extends WeftError {
  readonly code = "grid";
}

/** Bytes are not a valid safetensors file, or tensors cannot be written as one. */
export class SafetensorsError extends WeftError {
  readonly code = "safetensors";
}
