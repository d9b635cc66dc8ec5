import { describe, expect, it } from "vitest";
import { workersOf } from "../src/round/cohort.ts";
import { deadlineFor } from "../src/round/deadline.ts";
import { totalRounds } from "../src/round/plan.ts";
import type { RunEffect } from "../src/round/runEvent.ts";
import { resumedState } from "../src/round/durable.ts";
import { step } from "../src/round/step.ts";
import { kinds, machine } from "./machine.ts";
import { plan } from "./simulateRound.ts";

describe("gathering", () => {
  it("opens no round before the expected workers are there", () => {
    const m = machine({}, 2);
    m.join("a", 0);
    expect(m.work()).toHaveLength(0);
    m.join("b", 200);
    expect(m.work().map(({ worker }) => worker)).toEqual(["a", "b"]);
  });

  it("starts with those present once one has waited long enough", () => {
    const m = machine({}, 3);
    m.join("a", 50);
    expect(m.log).toContainEqual({ kind: "wake", atMs: 350 });
    m.send({ kind: "tick", nowMs: 350 });
    expect(m.work()).toHaveLength(1);
    expect(m.state.expected).toBe(1);
  });

  it("takes a joining worker in from the next round", () => {
    const m = machine();
    m.join("a", 0);
    m.join("b", 1);
    expect(m.work()).toHaveLength(1);
    m.deliver("a", 2);
    m.send({ kind: "committed", nowMs: 3 });
    expect(
      m
        .work()
        .slice(1)
        .map(({ worker }) => worker),
    ).toEqual(["a", "b"]);
    expect(m.state.expected).toBe(2);
  });

  it("waits once, not every round, for a worker that was killed", () => {
    const m = machine({ deadlineMs: 100_000 }, 2);
    m.join("a", 0);
    m.join("b", 0);
    m.deliver("a", 5);
    m.send({ kind: "disconnected", worker: "b", nowMs: 10 });
    expect(m.state.phase.kind).toBe("open");
    m.send({ kind: "tick", nowMs: 310 });
    expect(m.state.phase.kind).toBe("committing");
    m.send({ kind: "committed", nowMs: 311 });
    expect(m.work().at(-1)).toMatchObject({ worker: "a", round: 2 });
    expect(m.state.workers.size).toBe(1);
  });

  it("does not wait for a worker that said goodbye", () => {
    const m = machine({ deadlineMs: 100_000 }, 2);
    m.join("a", 0);
    m.join("b", 0);
    m.deliver("a", 5);
    expect(kinds(m.send({ kind: "left", worker: "b", nowMs: 6 }))).toContain("commit");
    m.send({ kind: "committed", nowMs: 7 });
    expect(m.work().at(-1)).toMatchObject({ worker: "a", round: 2 });
  });

  it("forms the same cohort again after a restart, whatever the order of return", () => {
    const stored = {
      version: 5,
      progress: { epoch: 0, start: 60, epochs: 0.6, expected: 2, positions: {} },
      workers: [
        { id: "a", slot: 0 },
        { id: "b", slot: 1 },
      ],
      nowMs: 0,
    };
    let state = resumedState(plan, stored);
    const effects: RunEffect[] = [];
    for (const worker of ["b", "a"]) {
      const stepped = step(state, { kind: "joined", worker, nowMs: worker === "b" ? 20_000 : 20_100 });
      state = stepped.state;
      effects.push(...stepped.effects);
    }
    const work = effects.filter((effect) => effect.kind === "sendWork");
    expect(work.map(({ worker, round }) => [worker, round])).toEqual([
      ["a", 6],
      ["b", 6],
    ]);
    expect(work[0]?.order).toMatchObject({ examples: { epoch: 0, start: 60, count: 6 } });
  });
});

describe("orders", () => {
  it("slice the epoch contiguously in slot order and make its last batch shorter", () => {
    const m = machine({ examples: 30, work: { kind: "gradient", batchSize: 25 } }, 2);
    m.join("b", 0, { slot: 1 });
    m.join("a", 0, { slot: 0 });
    const slices = () =>
      m
        .work()
        .map(({ worker, order }) =>
          order.kind === "gradient" && order.examples.kind === "slice"
            ? [worker, order.examples.epoch, order.examples.start, order.examples.count]
            : [],
        );
    expect(slices()).toEqual([
      ["a", 0, 0, 13],
      ["b", 0, 13, 12],
    ]);
    m.deliver("a", 1);
    m.deliver("b", 1);
    m.send({ kind: "committed", nowMs: 2 });
    expect(slices().slice(2)).toEqual([
      ["a", 0, 25, 3],
      ["b", 0, 28, 2],
    ]);
    m.deliver("a", 3);
    m.deliver("b", 3);
    m.send({ kind: "committed", nowMs: 4 });
    expect(slices().slice(4)).toEqual([
      ["a", 1, 0, 13],
      ["b", 1, 13, 12],
    ]);
  });

  it("depend on places in the cohort, not on who fills them", () => {
    const orders = (names: readonly string[], slots: readonly number[]) => {
      const m = machine({}, names.length);
      for (const [i, name] of names.entries()) m.join(name, 0, { slot: slots[i]! });
      return m.work().map(({ order }) => order);
    };
    expect(orders(["x", "y"], [0, 1])).toEqual(orders(["p", "q"], [3, 9]));
  });

  it("let workers with their own data draw on from where their stream stands", () => {
    const m = machine({ examples: 0 }, 1);
    m.join("a", 0, { ownExamples: 500 });
    m.deliver("a", 1);
    m.send({ kind: "committed", nowMs: 2 });
    const positions = m.work().map(({ order }) => order.kind === "gradient" && order.examples);
    expect(positions).toMatchObject([
      { kind: "own", position: 0, count: 12 },
      { kind: "own", position: 12, count: 12 },
    ]);
  });

  it("hand every worker of local work its own partition, again when it comes back, anew when their number changes", () => {
    const work = { kind: "local", epochs: 1, batchSize: 10, optimizer: { name: "sgd" } } as const;
    const m = machine({ work, deadlineMs: 100_000 }, 2);
    m.join("b", 0, { slot: 1 });
    m.join("a", 0, { slot: 0 });
    const partitions = () => m.log.filter((effect) => effect.kind === "sendPartition");
    expect(partitions().map(({ worker, index, of }) => [worker, index, of])).toEqual([
      ["a", 0, 2],
      ["b", 1, 2],
    ]);
    m.send({ kind: "disconnected", worker: "b", nowMs: 1 });
    m.join("b", 2);
    expect(partitions().slice(2)).toMatchObject([{ worker: "b", index: 1, of: 2 }]);
    m.join("c", 3);
    m.deliver("a", 4);
    m.deliver("b", 4);
    m.send({ kind: "committed", nowMs: 5 });
    expect(
      partitions()
        .slice(3)
        .map(({ worker, index, of }) => [worker, index, of]),
    ).toEqual([
      ["a", 0, 3],
      ["b", 1, 3],
      ["c", 2, 3],
    ]);
  });
});

it("local work balanced by speed: the fastest makes all its steps, others as many as they can meanwhile", () => {
  const work = { kind: "local", steps: 20, batchSize: 10, optimizer: { name: "sgd" } } as const;
  const m = machine({ work, examples: 0, balance: "speed", deadlineMs: 100_000 }, 2);
  m.join("a", 0, { ownExamples: 50 });
  m.join("b", 0, { ownExamples: 500 });
  // Speed is of the examples gone through, not of those that each worker has.
  m.deliver("a", 1000, { weight: 50, computeMs: 1000, loss: 1 });
  m.deliver("b", 4000, { weight: 500, computeMs: 4000, loss: 1 });
  m.send({ kind: "committed", nowMs: 4000 });
  const steps = m.work().map(({ worker, order }) => [worker, order.kind === "local" && order.steps]);
  expect(steps).toEqual([
    ["a", 20],
    ["b", 20],
    ["a", 20],
    ["b", 5],
  ]);
});

describe("updates", () => {
  it("are refused as late once the round has closed, and acknowledged as duplicates when they were counted", () => {
    const m = machine({ quorum: { count: 1 } }, 2);
    m.join("a", 0);
    m.join("b", 0);
    m.deliver("a", 1);
    const again = m.send({ kind: "updateBegun", worker: "a", upload: 90, round: 1, attempt: 0, nowMs: 2 });
    expect(again).toMatchObject([
      { kind: "discard" },
      { kind: "verdict", verdict: { accepted: true, code: "duplicate" } },
    ]);
    const late = m.send({ kind: "updateBegun", worker: "b", upload: 91, round: 1, attempt: 0, nowMs: 3 });
    expect(late).toMatchObject([{ kind: "discard" }, { kind: "verdict", verdict: { accepted: false, code: "late" } }]);
  });

  it("of a worker that departed after delivering still count", () => {
    const m = machine({ deadlineMs: 100_000 }, 2);
    m.join("a", 0);
    m.join("b", 0);
    m.deliver("b", 1);
    m.send({ kind: "left", worker: "b", nowMs: 2 });
    m.deliver("a", 3);
    expect(m.log.find((effect) => effect.kind === "commit")).toMatchObject({ uploads: [2, 1] });
  });

  it("that are invalid cost their sender the round, and at the third time its connection", () => {
    const m = machine({}, 2);
    m.join("a", 0);
    m.join("b", 0);
    for (let round = 1; round <= 3; round++) {
      const upload = 100 + round;
      m.send({ kind: "updateBegun", worker: "b", upload, round, attempt: 0, nowMs: round });
      const reason = { code: "value", text: "NaN" };
      const refused = m.send({ kind: "updateInvalid", worker: "b", upload, reason, nowMs: round });
      expect(kinds(refused)).toContain("discard");
      expect(kinds(refused).includes("dismiss")).toBe(round === 3);
      m.deliver("a", round);
      m.send({ kind: "committed", nowMs: round });
    }
    expect([...m.state.workers.keys()]).toEqual(["a"]);
  });

  it("none of which is valid, three attempts in a row, end the run with the reason", () => {
    const m = machine();
    m.join("a", 0);
    for (let attempt = 0; attempt < 3; attempt++) {
      m.send({
        kind: "declined",
        worker: "a",
        round: 1,
        attempt,
        reason: { code: "loss", text: "loss is NaN" },
        nowMs: 1,
      });
    }
    expect(m.state.phase).toMatchObject({ kind: "finished", reason: "failed" });
    expect(JSON.stringify(m.state.phase)).toContain("loss is NaN");
  });
});

describe("deadlines", () => {
  it("close a round with what is there, and bench the one that hangs", () => {
    const m = machine({}, 2);
    m.join("a", 0);
    m.join("b", 0);
    m.deliver("a", 10);
    expect(kinds(m.send({ kind: "tick", nowMs: 1000 }))).toContain("commit");
    m.send({ kind: "committed", nowMs: 1001 });
    expect(
      m
        .work()
        .filter(({ round }) => round === 2)
        .map(({ worker }) => worker),
    ).toEqual(["a"]);
    m.deliver("a", 1002);
    m.send({ kind: "committed", nowMs: 1003 });
    expect(
      m
        .work()
        .filter(({ round }) => round === 3)
        .map(({ worker }) => worker),
    ).toEqual(["a", "b"]);
  });

  it("open the round again, with twice the time, when nobody has delivered", () => {
    const m = machine();
    m.join("a", 0);
    m.send({ kind: "tick", nowMs: 1000 });
    expect(m.work().at(-1)).toMatchObject({ round: 1, attempt: 1, deadlineMs: 2000 });
  });

  it("adapt to recent rounds, are generous at first and never below the floor", () => {
    expect(deadlineFor("adaptive", [], 0)).toBe(120_000);
    expect(deadlineFor("adaptive", [5, 5, 5, 5, 5], 0)).toBe(10_000);
    expect(deadlineFor("adaptive", [9000, 10_000, 11_000, 10_000, 30_000], 0)).toBe(35_000);
    expect(deadlineFor(500, [9000], 2)).toBe(2000);
  });
});

it("a worker that reconnects within the round keeps its place and gets its order again", () => {
  const m = machine({ deadlineMs: 1000 }, 1);
  m.join("a", 0);
  m.send({ kind: "disconnected", worker: "a", nowMs: 100 });
  const effects = m.join("a", 200);
  expect(effects).toContainEqual(expect.objectContaining({ kind: "sendWork", round: 1, attempt: 0, deadlineMs: 800 }));
});

it("a target metric ends the run when it is reached", () => {
  const m = machine({ stop: { target: { metric: "accuracy", value: 0.9, every: 2 } } });
  m.join("a", 0);
  m.deliver("a", 1);
  m.send({ kind: "committed", nowMs: 2 });
  m.deliver("a", 3);
  expect(m.log.filter((effect) => effect.kind === "commit").map(({ evaluate }) => evaluate)).toEqual([false, true]);
  m.send({ kind: "committed", metrics: { accuracy: 0.95 }, nowMs: 4 });
  expect(m.state.phase).toMatchObject({ kind: "finished", reason: "target" });
});

it("stopping while a round is committed waits for it; while one is open gives it up", () => {
  const m = machine();
  m.join("a", 0);
  m.deliver("a", 1);
  m.send({ kind: "stop", detail: "enough", nowMs: 2 });
  expect(m.state.phase.kind).toBe("committing");
  expect(kinds(m.send({ kind: "committed", nowMs: 3 }))).toEqual(["finish"]);
  expect(m.state.version).toBe(1);
});

it("shares of workers are at least one, at most all, and immune to rounding", () => {
  expect(workersOf({ fraction: 0.1 }, 100)).toBe(10);
  expect(workersOf({ fraction: 0.1 }, 3)).toBe(1);
  expect(workersOf({ fraction: 0.7 }, 10)).toBe(7);
  expect(workersOf({ count: 5 }, 3)).toBe(3);
});

it("the number of rounds is known where the stop rule fixes it", () => {
  const gradient = { ...plan, examples: 60_000, work: { kind: "gradient", batchSize: 64 } as const };
  expect(totalRounds({ ...gradient, stop: { epochs: 1 } })).toBe(938);
  expect(totalRounds({ ...gradient, stop: { epochs: 1.5 } })).toBe(938 + 469);
  expect(totalRounds({ ...gradient, stop: { epochs: 1, rounds: 100 } })).toBe(100);
  expect(totalRounds({ ...gradient, examples: 0, stop: { epochs: 1 } })).toBeUndefined();
});

it("before the first round, patience with the missing starts anew with each that comes", () => {
  const m = machine({}, 3);
  m.join("a", 0);
  m.join("b", 250);
  m.send({ kind: "tick", nowMs: 300 });
  expect(m.work()).toHaveLength(0);
  m.send({ kind: "tick", nowMs: 550 });
  expect(m.work()).toHaveLength(2);
});
