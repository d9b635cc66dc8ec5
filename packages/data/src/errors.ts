/** The errors of this package. */
import { WeftError } from "@weft/tensor";

/** Data does not keep its contract, or a contract contradicts itself. */
export class ContractError extends WeftError {
  readonly code = "dataContract";
}

/** A file or folder cannot be read as data. */
export class DataFileError extends WeftError {
  readonly code = "dataFile";
}

/** A batch, shuffle or partition was asked for that cannot be. */
export class DataRangeError extends WeftError {
  readonly code = "dataRange";
}
