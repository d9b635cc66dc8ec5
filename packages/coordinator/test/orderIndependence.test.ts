/** What a synchronous run decides depends on which workers there are and what they deliver, never on the order of arrival. */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { RunPlan } from "../src/round/plan.ts";
import type { RunEffect } from "../src/round/runEvent.ts";
import { machine } from "./machine.ts";

const local = { kind: "local", epochs: 1, batchSize: 10, optimizer: { name: "sgd" } } as const;
const workers = [0, 1, 2, 3, 4, 5];
const rounds = 12;

const plans = fc.record({
  work: fc.constantFrom<RunPlan["work"]>(local, { kind: "gradient", batchSize: 17 }),
  cohort: fc.constantFrom<RunPlan["cohort"]>(
    { fraction: 1 },
    { count: 3 },
    { count: 3, overSelect: 1.5 },
    { count: 2, sampling: "loss", fairness: { maxShare: 2, maxWait: 5 } },
    { fraction: 0.5, sampling: "availability" },
  ),
});

/** Everyone delivers in every round, in an order drawn anew; the losses they report are their own. */
function decisions(plan: Pick<RunPlan, "work" | "cohort">, orderOf: (round: number) => readonly number[]): RunEffect[] {
  const m = machine({ ...plan, stop: { rounds } }, workers.length);
  for (const slot of orderOf(0)) m.join(`w${slot}`, 0, { slot });
  for (let round = 1; m.state.phase.kind === "open"; round++) {
    const members = new Set(m.state.phase.round.members.keys());
    for (const slot of orderOf(round)) {
      const loss = ((slot * 7 + round) % 5) + 1;
      if (members.has(`w${slot}`)) m.deliver(`w${slot}`, round, { weight: 1, computeMs: 1, loss });
    }
    m.send({ kind: "committed", nowMs: round });
  }
  return m.log.filter(({ kind }) => kind === "sendWork" || kind === "sendPartition");
}

it("cohorts, orders, seeds and partitions are the same whatever the order of joins and updates", () => {
  fc.assert(
    fc.property(
      plans,
      fc.array(fc.shuffledSubarray(workers, { minLength: 6 }), { minLength: 13, maxLength: 13 }),
      (plan, orders) => {
        expect(decisions(plan, (round) => orders[round] ?? workers)).toEqual(decisions(plan, () => workers));
      },
    ),
    { numRuns: 100, seed: 1 },
  );
});
