/** What the relatives of Adam share: two running means and the correction for their start at zero. */
import type { Tensor } from "@weft/tensor";
import type { DecayOptions } from "./decay.ts";
import { decayRanges } from "./decay.ts";
import { fraction, positive } from "./settings.ts";

export interface MeansOptions extends DecayOptions {
  /** Share of the running mean of the gradient that is kept. */
  readonly beta1?: number;
  /** Share of the running mean of its square that is kept. */
  readonly beta2?: number;
  /** Added to the root, after the correction. */
  readonly epsilon?: number;
}

export const meansRanges = { ...decayRanges, beta1: fraction, beta2: fraction, epsilon: positive };

/** kept·mean + (1 − kept)·value */
export const average = (mean: Tensor, value: Tensor, kept: number): Tensor => mean.mul(kept).add(value.mul(1 - kept));

/**
 * 1 − beta^step as −expm1(step·log beta): to the last digit of f32 at the first step, where 1 − pow(beta, step) has lost four,
 * and after millions, where a running product has drifted.
 */
export const remainder = (beta: number, step: Tensor): Tensor =>
  beta === 0 ? step.mul(0).add(1) : step.mul(Math.log(beta)).expm1().neg();
