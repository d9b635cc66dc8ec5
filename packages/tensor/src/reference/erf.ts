/** The error function to double precision (Abramowitz and Stegun 7.1.6 and 7.1.14). */

export function erf(x: number): number {
  const a = Math.abs(x);
  if (Number.isNaN(x)) return NaN;
  if (a > 6) return Math.sign(x);
  return a < 2.5 ? series(x) : Math.sign(x) * (1 - continuedFraction(a));
}

/** 2/√π e^(-x²) Σ 2ⁿ x^(2n+1) / (2n+1)!!: all terms have the sign of x, so nothing cancels. */
function series(x: number): number {
  let term = x;
  let total = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(total); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    total += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total;
}

/** erfc(x) = e^(-x²)/√π · 1/(x + ½/(x + 1/(x + 3/2/(x + …)))), evaluated from its 80th level. */
function continuedFraction(x: number): number {
  let fraction = x;
  for (let level = 80; level > 0; level--) fraction = x + level / 2 / fraction;
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction;
}
