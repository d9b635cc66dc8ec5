import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CountRule } from "../src/round/cohort.ts";
import { runStorm, plan } from "./simulateRound.ts";

const plans = fc.record({
  fraction: fc.constantFrom(0.3, 0.5, 1),
  quorum: fc.constantFrom({ fraction: 1 }, { fraction: 0.6 }, { count: 2 }),
  deadlineMs: fc.constantFrom(200, 1000, "adaptive" as const),
  batchSize: fc.constantFrom(1, 7, 12, 100),
  local: fc.boolean(),
  seed: fc.nat(),
  workers: fc.integer({ min: 1, max: 7 }),
});

const stormOf = (drawn: typeof plans extends fc.Arbitrary<infer T> ? T : never) => ({
  plan: {
    ...plan,
    cohort: { fraction: drawn.fraction },
    quorum: drawn.quorum,
    deadlineMs: drawn.deadlineMs,
    work: drawn.local
      ? ({ kind: "local", epochs: 1, batchSize: 10, optimizer: { name: "sgd" } } as const)
      : ({ kind: "gradient", batchSize: drawn.batchSize } as const),
  },
  seed: drawn.seed,
  workers: drawn.workers,
  events: 400,
});

describe("under any schedule of joins, leaves, reconnects, broken, duplicate, late and invalid updates", () => {
  it("every round closes in time, by its quorum, with no update counted twice and no example given twice", () => {
    let resumptions = 0;
    fc.assert(
      fc.property(plans, (drawn) => {
        const { state, commits, resumed } = runStorm(stormOf(drawn));
        resumptions += resumed;
        expect(state.phase.kind).toBe("finished");
        if (state.phase.kind === "finished" && state.phase.reason === "rounds") expect(commits).toBe(30);
      }),
      { numRuns: 3000, seed: 1 },
    );
    expect(resumptions).toBeGreaterThan(2000);
  });

  it("the same property catches a machine that forgets to take the quorum again when workers leave", () => {
    const stubborn: CountRule = (_, round, worker) => round.members.has(worker);
    const check = fc.check(
      fc.property(plans, (drawn) => {
        runStorm({ ...stormOf(drawn), counts: stubborn });
      }),
      { numRuns: 300, seed: 1 },
    );
    expect(check.failed).toBe(true);
    expect(String(check.errorInstance)).toMatch(/waits for nobody|still open/);
  });
});
