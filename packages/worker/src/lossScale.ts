/** The scales of a job's loss, for gradients that go through f16. */
import type { JobDocument } from "@weft/protocol";
import { OrderDeclinedError } from "./errors.ts";

/** Far enough apart that few steps are computed often; powers of two, which change no digit. */
const dynamicScales = [2 ** 15, 2 ** 11, 2 ** 7, 2 ** 3, 1];

/**
 * What to multiply the loss by, to be tried in this order until the gradient is finite; nothing for jobs in f32. Every step begins
 * with the first: a scale that was carried on from step to step would make its bits depend on where it is computed.
 */
export function lossScales({ precision }: JobDocument): readonly number[] | undefined {
  if (!precision) return undefined;
  return precision.lossScale === "dynamic" ? dynamicScales : [precision.lossScale];
}

/** @param scales all of which were tried */
export function overflowed(scales: readonly number[]): OrderDeclinedError {
  return new OrderDeclinedError(
    "non-finite",
    `expected a finite gradient, got one that leaves f16 at a loss scale of ${scales.join(", ")}; ` +
      'use precision: { compute: "f16", lossScale: "dynamic" } or a smaller scale, a lower learning rate, or f32',
  );
}
