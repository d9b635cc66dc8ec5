import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runStorm } from "./simulateRound.ts";
import { mutations } from "./storm/mutations.ts";
import { bufferedPlans, storms, synchronousPlans } from "./storm/plans.ts";

describe("under any schedule of joins, leaves, reconnects, broken, duplicate, late and invalid updates, changes of rules", () => {
  it("every round closes in time, by its quorum, with no update counted twice, none lost in silence", () => {
    const seen = { resumed: 0, late: 0 };
    fc.assert(
      fc.property(storms(synchronousPlans), (storm) => {
        const { state, commits, resumed, stalest } = runStorm(storm);
        seen.resumed += resumed;
        seen.late += stalest;
        expect(state.phase.kind).toBe("finished");
        if (state.phase.kind === "finished" && state.phase.reason === "rounds") expect(commits).toBe(30);
      }),
      { numRuns: 250, seed: 1 },
    );
    expect(seen.resumed).toBeGreaterThan(100);
    expect(seen.late).toBeGreaterThan(50);
  });

  it("a buffered pace makes every version in time, keeps the bound on staleness, and nobody idle", () => {
    const seen = { resumed: 0, stale: 0 };
    fc.assert(
      fc.property(storms(bufferedPlans), (storm) => {
        const { state, commits, resumed, stalest } = runStorm(storm);
        seen.resumed += resumed;
        seen.stale += stalest;
        expect(state.phase.kind).toBe("finished");
        if (state.phase.kind === "finished" && state.phase.reason === "rounds") expect(commits).toBe(30);
      }),
      { numRuns: 250, seed: 2 },
    );
    expect(seen.resumed).toBeGreaterThan(100);
    expect(seen.stale).toBeGreaterThan(150);
  });
});

describe("the same properties catch a machine in which", () => {
  it.each(mutations.map((mutation) => [mutation.name, mutation] as const))("%s", (_, { pace, mutate, complaint }) => {
    const plans = pace === "buffered" ? bufferedPlans : synchronousPlans;
    const check = fc.check(
      fc.property(storms(plans), (storm) => {
        runStorm(mutate(storm));
      }),
      { numRuns: 100, seed: 1, endOnFailure: true },
    );
    expect(check.failed).toBe(true);
    expect(String(check.errorInstance)).toMatch(complaint);
  });
});
