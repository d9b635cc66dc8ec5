/** The errors of this package: each carries a stable `code`, and a message saying what was expected, what came and what to do. */

/** Base of every error that Weft throws on purpose; `code` is stable across versions. */
export abstract class WeftError extends Error {
  abstract readonly code: string;
  override get name(): string {
    return this.constructor.name;
  }
}

/** Shapes do not fit together. */
export class ShapeError extends WeftError {
  readonly code = "shape";
}

/** A dtype is not accepted where it stands. */
export class DTypeError extends WeftError {
  readonly code = "dtype";
}

/** Encoded bytes are not a valid Program. */
export class ProgramError extends WeftError {
  readonly code = "program";
}

/** A traced function does something a pure tensor function cannot, such as reading a value that is not known yet. */
export class TraceError extends WeftError {
  readonly code = "trace";
}

/** A tensor was given away to a compiled step (`donate`) and is used again. */
export class DonatedError extends WeftError {
  readonly code = "donated";
}

/** Something is to be computed, and nothing is there to compute it on. */
export class BackendError extends WeftError {
  readonly code = "backend";
}
