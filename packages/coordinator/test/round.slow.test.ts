/** The storms of round.test.ts in number: 10,000 schedules. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { runStorm } from "./simulateRound.ts";
import { bufferedPlans, storms, synchronousPlans } from "./storm/plans.ts";

it.each([
  ["synchronous", synchronousPlans],
  ["buffered", bufferedPlans],
])("5,000 schedules of %s rounds keep every promise", (_, plans) => {
  fc.assert(
    fc.property(storms(plans), (storm) => {
      expect(runStorm(storm).state.phase.kind).toBe("finished");
    }),
    { numRuns: 5000, seed: 20_260_101 },
  );
});
