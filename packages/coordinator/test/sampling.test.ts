/** Cohorts drawn by preference: repeatable, preferring whom they say, within fairness. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RunPlan } from "../src/round/plan.ts";
import { freshRecord, type WorkerRecord, withReport } from "../src/round/record.ts";
import type { RunEffect, RunEvent } from "../src/round/runEvent.ts";
import { draw } from "../src/round/sampling.ts";
import { initialState, newWorker, type RunState } from "../src/round/state.ts";
import { step } from "../src/round/step.ts";
import { plan } from "./simulateRound.ts";

const workersWith = (records: readonly Partial<WorkerRecord>[]) =>
  records.map((record, i) => ({ ...newWorker(`w${i}`, i), record: { ...freshRecord, ...record } }));

/** How often each of the workers is drawn over many rounds. */
function shares(cohort: RunPlan["cohort"], workers: ReturnType<typeof workersWith>, count: number): number[] {
  const times = workers.map(() => 0);
  for (let round = 0; round < 2000; round++) {
    for (const { slot } of draw({ plan: { ...plan, cohort } }, workers, { count, key: [1, round] })) times[slot]! += 1;
  }
  return times.map((drawn) => drawn / 2000);
}

describe("a draw", () => {
  it("by speed, by loss and by record prefers in proportion", () => {
    const bySpeed = shares(
      { count: 1, sampling: "speed" },
      workersWith([{ speed: 10 }, { speed: 30 }, { speed: 60 }]),
      1,
    );
    [0.1, 0.3, 0.6].forEach((share, i) => expect(bySpeed[i]).toBeCloseTo(share, 1));
    const byLoss = shares({ count: 1, sampling: "loss" }, workersWith([{ loss: 1 }, { loss: 3 }, {}]), 1);
    [1 / 7, 3 / 7, 3 / 7].forEach((share, i) => expect(byLoss[i]).toBeCloseTo(share, 1));
    const steady = { rounds: 20, invited: 9, delivered: 9 };
    const flaky = { rounds: 20, invited: 9, delivered: 0 };
    const byRecord = shares({ count: 1, sampling: "availability" }, workersWith([steady, flaky]), 1);
    expect(byRecord[0]).toBeGreaterThan(0.85);
  });

  it("by examples prefers those with many", () => {
    const workers = workersWith([{}, {}]).map((worker, i) => ({ ...worker, ownExamples: i === 0 ? 100 : 300 }));
    expect(shares({ count: 1, sampling: "examples" }, workers, 1)[1]).toBeCloseTo(0.75, 1);
  });

  it("depends on slots and the round's key alone, not on the order in which workers came", () => {
    const workers = workersWith([{ speed: 1 }, { speed: 5 }, { speed: 2 }, { speed: 9 }]);
    const options = { count: 2, key: [7, 3, 1, 0] };
    const state = { plan: { ...plan, cohort: { count: 2, sampling: "speed" as const } } };
    const names = (drawn: readonly { readonly id: string }[]) => drawn.map(({ id }) => id).sort();
    expect(names(draw(state, workers.toReversed(), options))).toEqual(names(draw(state, workers, options)));
  });
});

/** Rounds in which everyone answers at once, with losses that make sampling as unfair as it can be. */
function invitations(
  cohort: RunPlan["cohort"],
  workers: number,
  rounds: number,
  given: RunPlan["cohort"] = cohort,
): string[][] {
  let state: RunState = initialState({ ...plan, examples: 100_000, cohort: given, stop: { rounds } }, workers);
  const log: RunEffect[] = [];
  let nowMs = 0;
  const send = (event: RunEvent extends infer E ? (E extends RunEvent ? Omit<E, "nowMs"> : never) : never) => {
    const stepped = step(state, { ...event, nowMs: nowMs++ });
    state = stepped.state;
    log.push(...stepped.effects);
  };
  for (let i = 0; i < workers; i++) send({ kind: "joined", worker: `w${i}` });
  let uploads = 0;
  while (state.phase.kind === "open") {
    const { round, attempt, members } = state.phase.round;
    for (const worker of members.keys()) {
      send({ kind: "updateBegun", worker, upload: ++uploads, round, attempt });
      const loss = worker === "w0" ? 1e6 : 1e-6;
      send({ kind: "updateArrived", worker, upload: uploads, report: { weight: 1, computeMs: 1, loss } });
    }
    send({ kind: "committed" });
  }
  const byRound: string[][] = [];
  for (const effect of log) if (effect.kind === "sendWork") (byRound[effect.round - 1] ??= []).push(effect.worker);
  return byRound;
}

const fairCohorts = fc.record({
  workers: fc.integer({ min: 2, max: 12 }),
  count: fc.integer({ min: 1, max: 5 }),
  maxShare: fc.constantFrom(1, 1.5, 3),
  maxWait: fc.integer({ min: 2, max: 20 }),
  sampling: fc.constantFrom("uniform", "loss", "speed", "availability" as const),
});

/** Throws when someone is invited too often, or waits too long. */
function checkFair(
  byRound: readonly (readonly string[])[],
  drawn: { workers: number; maxShare: number; maxWait: number; count: number },
) {
  const invited = new Map<string, number>();
  const last = new Map<string, number>();
  let due = 0;
  // A full turn of everyone may take longer than the longest wait asked for.
  const longest = Math.max(drawn.maxWait, Math.ceil(drawn.workers / drawn.count));
  byRound.forEach((cohort, round) => {
    due += cohort.length / drawn.workers;
    for (const worker of cohort) {
      invited.set(worker, (invited.get(worker) ?? 0) + 1);
      const times = invited.get(worker) ?? 0;
      if (times > drawn.maxShare * due + 1 + 1e-9) throw new Error(`${worker}: ${times} times, its share is ${due}`);
      last.set(worker, round);
    }
    for (let i = 0; i < drawn.workers; i++) {
      const waited = round - (last.get(`w${i}`) ?? -1);
      if (waited > longest) throw new Error(`w${i} waits for ${waited} rounds, ${longest} are allowed`);
    }
  });
}

describe("fairness", () => {
  it("bounds how often anyone is invited and how long anyone waits", () => {
    fc.assert(
      fc.property(fairCohorts, ({ sampling, workers, ...drawn }) => {
        const count = Math.min(drawn.count, workers);
        const cohort = { count, sampling, fairness: { maxShare: drawn.maxShare, maxWait: drawn.maxWait } } as const;
        checkFair(invitations(cohort, workers, 60), { ...drawn, workers, count });
      }),
      { numRuns: 150, seed: 1 },
    );
  });

  it("is missed by the same check where the machine ignores it", () => {
    const bounds = { workers: 8, count: 2, maxShare: 1.5, maxWait: 6 };
    const fair = { count: 2, sampling: "loss", fairness: { maxShare: 1.5, maxWait: 6 } } as const;
    const unfair = { count: 2, sampling: "loss" } as const;
    expect(() => checkFair(invitations(fair, 8, 60, unfair), bounds)).toThrow(/its share is|waits for/);
  });
});

it("speed is averaged over updates, and a worker's word is held against the clock", () => {
  const first = withReport(freshRecord, { weight: 100, computeMs: 1000, loss: 50 }, { elapsedMs: 5000 });
  expect(first).toMatchObject({ speed: 100, loss: 0.5, delivered: 1 });
  expect(withReport(first, { weight: 100, computeMs: 500, loss: undefined }, { elapsedMs: 5000 })).toMatchObject({
    speed: 130,
    loss: 0.5,
  });
  // It cannot have computed longer than it had the order, nor in a thousandth of it.
  expect(withReport(freshRecord, { weight: 100, computeMs: 1e9, loss: 0 }, { elapsedMs: 1000 }).speed).toBe(100);
  expect(withReport(freshRecord, { weight: 100, computeMs: 0, loss: 0 }, { elapsedMs: 1000 }).speed).toBe(100_000);
});
