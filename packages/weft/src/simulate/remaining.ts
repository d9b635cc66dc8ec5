/** How long simulations will go on, from how long their rounds have taken here so far. */

/**
 * @param totals rounds of each run; undefined where its stop rule does not fix them
 * @returns told that a round of a run is over, the seconds left for all runs; undefined while nobody can know
 */
export function remainingTime(
  totals: readonly (number | undefined)[],
  nowMs: () => number = () => performance.now(),
): (run: number, round: number) => number | undefined {
  let first: { readonly run: number; readonly round: number; readonly atMs: number } | undefined;
  return (run, round) => {
    // The first round of a run comes with what it takes to set it up.
    if (first?.run !== run) first = { run, round, atMs: nowMs() };
    if (round === first.round) return undefined;
    const roundMs = (nowMs() - first.atMs) / (round - first.round);
    let left = -round;
    for (const total of totals.slice(run)) {
      if (total === undefined) return undefined;
      left += total;
    }
    return (Math.max(0, left) * roundMs) / 1000;
  };
}
