/** The errors of this package. */
import { WeftError } from "@weft/vector";

/** A simulation cannot go on. */
export class SimulationError extends WeftError {
  readonly code = "simulation";
}
