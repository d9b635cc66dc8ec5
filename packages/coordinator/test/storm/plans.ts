/** Runs for storms: every pace, kind of work, rule for the late, way of sampling and of evaluating, drawn together. */
import fc from "fast-check";
import type { RunPlan } from "../../src/round/plan.ts";
import { plan } from "../simulateRound.ts";
import type { Storm } from "./world.ts";

const local = { kind: "local", epochs: 1, batchSize: 10, optimizer: { name: "sgd" } } as const;

const cohorts = fc.constantFrom<RunPlan["cohort"]>(
  { fraction: 1 },
  { fraction: 0.5 },
  { fraction: 0.3, overSelect: 1.5 },
  { count: 2, overSelect: 2 },
  { fraction: 0.5, sampling: "availability" },
  { count: 2, sampling: "speed", fairness: { maxShare: 1.5, maxWait: 10 } },
  { fraction: 0.4, sampling: "loss", fairness: { maxShare: 1, maxWait: 4 } },
);

const evaluations = fc.option(
  fc.record({
    on: fc.constant("workers" as const),
    every: fc.constantFrom(1, 3),
    heldOut: fc.constant(0.2),
    cohort: fc.constantFrom({ fraction: 1 }, { fraction: 0.5 }),
    quorum: fc.constantFrom({ fraction: 1 }, { count: 1 }),
    deadlineMs: fc.constant(700),
  }),
  { nil: undefined },
);

const shared = {
  deadlineMs: fc.constantFrom<RunPlan["deadlineMs"]>(200, 1000, "adaptive", { deviations: 3 }),
  work: fc.constantFrom<RunPlan["work"]>(
    local,
    ...[1, 7, 12, 100].map((batchSize) => ({ kind: "gradient", batchSize }) as const),
  ),
  evaluation: evaluations,
};

export const synchronousPlans: fc.Arbitrary<RunPlan> = fc
  .record({
    ...shared,
    cohort: cohorts,
    quorum: fc.constantFrom<RunPlan["quorum"]>({ fraction: 1 }, { fraction: 0.6 }, { count: 2 }),
    late: fc.constantFrom("refuse", "buffer"),
    balance: fc.constantFrom("equal", "speed"),
  })
  .map((drawn) => ({ ...plan, ...drawn }));

export const bufferedPlans: fc.Arbitrary<RunPlan> = fc
  .record({
    ...shared,
    cohort: fc.constantFrom<RunPlan["cohort"]>({ fraction: 1 }, { fraction: 0.5 }, { count: 2, sampling: "speed" }),
    pace: fc.record({
      kind: fc.constant("buffered" as const),
      size: fc.constantFrom(1, 2, 5),
      maxStaleness: fc.constantFrom(undefined, 0, 1, 3),
      staleness: fc.constantFrom({ kind: "constant" } as const, { kind: "polynomial", exponent: 0.5 } as const),
    }),
  })
  .map((drawn) => ({ ...plan, ...drawn }));

export const storms = (plans: fc.Arbitrary<RunPlan>): fc.Arbitrary<Storm> =>
  fc.record({
    plan: plans,
    seed: fc.nat(),
    workers: fc.integer({ min: 1, max: 7 }),
    events: fc.constant(400),
  });
