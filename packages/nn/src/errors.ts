/** The errors of this package; shapes that do not fit throw the `ShapeError` of @weft/tensor. */
import { WeftError } from "@weft/tensor";

/** A parameter is missing, or not of the shape that the model has for this input. */
export class ParameterError extends WeftError {
  readonly code = "parameter";
}

/** A model is put together in a way that cannot work: a name used twice, a setting out of range, a key that is missing. */
export class ModelError extends WeftError {
  readonly code = "model";
}
