/** What can go wrong on the way from a job file to a run; each cause has its own exit code (see command/exitCodes.ts). */
import { WeftError } from "@weft/tensor";

/** The job file is missing, does not load, or describes something that does not fit together. */
export class JobError extends WeftError {
  readonly code = "job";
}

/** The command line asks for something that is not there or does not fit together. */
export class UsageError extends WeftError {
  readonly code = "usage";
}

/** A file is not a model as it should be, or cannot be written as one. */
export class ModelFileError extends WeftError {
  readonly code = "model-file";
}

/** A coordinator's API does not let this token do that. */
export class AccessError extends WeftError {
  readonly code = "access";
}
