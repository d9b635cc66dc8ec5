/** Why a worker will not do what it was sent. */
import { WeftError } from "@weft/tensor";

/** The job itself is not acceptable: malformed, beyond this worker's policy, or its data does not fit. */
export class JobRefusedError extends WeftError {
  readonly code = "job-refused";
}

/** One order cannot be carried out; the session goes on. `reasonCode` travels in the `decline` message. */
export class OrderDeclinedError extends WeftError {
  readonly code = "order-declined";
  readonly reasonCode: string;

  constructor(reasonCode: string, message: string) {
    super(message);
    this.reasonCode = reasonCode;
  }
}
