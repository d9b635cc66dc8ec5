/**
 * The normal distribution cut at two standard deviations, by the inverse of its distribution function: the same as drawing
 * anew whatever lies outside, without the loop. The inverse error function is that of Giles 2012 (his central branch, which
 * covers all of the range), exact to f32.
 */
import type { Shape, Tensor } from "@weft/tensor";
import { uniform } from "@weft/tensor";

/** Mean 0, between -2 and 2; deviation `truncatedStd`. */
export function drawTruncatedNormal(key: Tensor, shape: Shape): Tensor {
  return inverseErf(uniform(key, shape, { min: -erfAtRoot2, max: erfAtRoot2 }))
    .mul(Math.SQRT2)
    .clip(-2, 2);
}

/** Standard deviation of the standard normal distribution cut at ±2. */
export const truncatedStd = 0.8796256610342398;

/** erf(2 / √2): the share of a normal distribution within two deviations. */
const erfAtRoot2 = 0.9544997361036416;

/** For |x| < 0.9966. */
function inverseErf(x: Tensor): Tensor {
  const w = x.mul(x).neg().log1p().neg().sub(2.5);
  return coefficients
    .slice(1)
    .reduce((sum, each) => sum.mul(w).add(each), w.mul(0).add(coefficients[0]))
    .mul(x);
}

const coefficients = [
  2.81022636e-8, 3.43273939e-7, -3.5233877e-6, -4.39150654e-6, 2.1858087e-4, -1.25372503e-3, -4.17768164e-3,
  0.246640727, 1.50140941,
] as const;
