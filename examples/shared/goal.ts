/** The figure that an example must reach. */

/** Exactly one of the two bounds. */
export type Goal = { readonly atLeast: number } | { readonly atMost: number };

/** Prints what was reached and what is required; the program exits with 1 when it is missed. NaN misses every goal. */
export function mustReach(figure: string, reached: number, goal: Goal): void {
  const isReached = "atLeast" in goal ? reached >= goal.atLeast : reached <= goal.atMost;
  const required = "atLeast" in goal ? `at least ${rounded(goal.atLeast)}` : `at most ${rounded(goal.atMost)}`;
  console.log(`${figure}: ${rounded(reached)}, required ${required}: ${isReached ? "reached" : "MISSED"}`);
  if (!isReached) process.exitCode = 1;
}

const rounded = (value: number) =>
  value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential(0) : String(Number(value.toPrecision(4)));
