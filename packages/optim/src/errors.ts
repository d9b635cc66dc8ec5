/** The errors of this package. */
import { WeftError } from "@weft/tensor";

/** An optimiser is unknown, or one of its settings is. */
export class OptimizerError extends WeftError {
  readonly code = "optimizer";
}

/** `update` was called with lists that do not belong together. */
export class OptimizerStateError extends WeftError {
  readonly code = "optimizerState";
}
