/** The errors of this package. */
import { WeftError } from "@weft/tensor";

/** What was given to `createCoordinator` does not fit together, or the job asks for what is not supported. */
export class CoordinatorOptionsError extends WeftError {
  readonly code = "coordinator-options";
}

/** The address cannot be listened on, or must not be without a token. */
export class ListenError extends WeftError {
  readonly code = "listen";
}

/** The disk refused, or what lies on it is not what was written. */
export class StoreError extends WeftError {
  readonly code = "store";
  /** Whether the same may succeed later: there was no room, or no leave to write. */
  readonly passing: boolean;

  constructor(message: string, { passing = false, ...options }: ErrorOptions & { readonly passing?: boolean } = {}) {
    super(message, options);
    this.passing = passing;
  }
}

/** No stored run has this id, several have this prefix, it is in use, or its host closed before it began. */
export class RunError extends WeftError {
  readonly code = "run";
}
