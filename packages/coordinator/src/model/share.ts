/** The part of all workers that a round's update stands for: by it moves what is kept of all of them. */
import type { JobWeighting } from "@weft/protocol";
import type { DurableProgress } from "../round/durable.ts";

/** |S| / N, or the examples behind the round of all there are; 1 where nothing is kept. At most 1, whoever came unannounced. */
export function shareOf(
  {
    updates,
    examples,
    progress: { population },
  }: {
    readonly updates: number;
    readonly examples: number;
    readonly progress: Pick<DurableProgress, "population">;
  },
  weighting: JobWeighting,
): number {
  if (population === undefined) return 1;
  const [part, whole] = weighting === "uniform" ? [updates, population.workers] : [examples, population.examples];
  return Math.min(1, part / Math.max(1, whole));
}
