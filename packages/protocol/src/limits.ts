/** Which messages carry a payload, and how large each may be. */
import { ProtocolError } from "./errors.ts";
import type { MessageKind } from "./messages.ts";

/** Largest payload in bytes; null where a message has none. */
export type PayloadLimits = { readonly [Kind in MessageKind]: number | null };

export interface LimitOptions {
  /** Elements of the flat vector. */
  readonly parameters: number;
  /** Largest job document. */
  readonly maxJobBytes?: number;
  /** Most examples asked for at once. */
  readonly maxFetchExamples?: number;
  /** Largest answer to a fetch. */
  readonly maxExamplesBytes?: number;
  /** Most examples in one worker's partition. */
  readonly maxPartitionExamples?: number;
}

const mebibyte = 1024 * 1024;

export function limitsFor(options: LimitOptions): PayloadLimits {
  const { parameters, maxJobBytes = 64 * mebibyte, maxFetchExamples = 65_536 } = options;
  const { maxExamplesBytes = 256 * mebibyte, maxPartitionExamples = 64 * mebibyte } = options;
  return {
    hello: null,
    ready: null,
    refuse: null,
    fetch: 4 * maxFetchExamples,
    update: 4 * parameters,
    evaluated: null,
    decline: null,
    prefetch: null,
    leave: null,
    welcome: null,
    refused: null,
    job: maxJobBytes,
    partition: 4 * maxPartitionExamples,
    examples: maxExamplesBytes,
    weights: 4 * parameters,
    work: null,
    verdict: null,
    committed: null,
    finished: null,
  };
}

/** For a side that does not know the job yet: models of up to 2^28 elements (1 GiB). */
export const defaultLimits: PayloadLimits = limitsFor({ parameters: 2 ** 28 });

/**
 * Checks the announced payload of a message; `bytes` is undefined when there is none.
 *
 * @throws {ProtocolError} for a payload that is missing, does not belong or is too large
 */
export function checkPayload(kind: MessageKind, bytes: number | undefined, limits: PayloadLimits): void {
  const limit = limits[kind];
  if (limit === null && bytes !== undefined) {
    throw new ProtocolError("payload", `${kind}: no payload expected, got one of ${bytes} bytes`);
  }
  if (limit !== null && bytes === undefined) {
    throw new ProtocolError("payload", `${kind}: a payload expected, got none`);
  }
  if (limit !== null && bytes !== undefined && bytes > limit) {
    throw new ProtocolError("size", `${kind}: a payload of at most ${limit} bytes expected, got ${bytes}`);
  }
}
