/** What paces, late updates, backups, over-selection and balance decide, case by case. */
import { describe, expect, it } from "vitest";
import { deadlineFor } from "../src/round/deadline.ts";
import type { RunPlan } from "../src/round/plan.ts";
import { stalenessWeight } from "../src/round/staleness.ts";
import { kinds, machine } from "./machine.ts";

const polynomial = { kind: "polynomial", exponent: 0.5 } as const;
const bufferedOf = (size: number, maxStaleness?: number): Partial<RunPlan> => ({
  pace: { kind: "buffered", size, staleness: polynomial, ...(maxStaleness === undefined ? {} : { maxStaleness }) },
});

type Machine = ReturnType<typeof machine>;
const commits = (m: Machine) => m.log.filter((effect) => effect.kind === "commit");
const ordersOf = (m: Machine, worker: string) => m.work().filter((effect) => effect.worker === worker);

describe("a buffered pace", () => {
  it("gives whoever delivers its next order at once, and makes a version of every two", () => {
    const m = machine(bufferedOf(2), 2);
    m.join("a", 0);
    m.join("b", 0);
    expect(kinds(m.deliver("a", 5))).toContain("sendWork");
    expect(m.work().map(({ worker, version, attempt }) => [worker, version, attempt])).toEqual([
      ["a", 0, 0],
      ["b", 0, 1],
      ["a", 0, 2],
    ]);
    m.deliver("a", 9);
    expect(commits(m)).toMatchObject([{ round: 1, uploads: [1, 2], cohort: ["a"] }]);
    // While the version is made nobody is given the old one; then everyone idle has the new one.
    expect(ordersOf(m, "a")).toHaveLength(2);
    m.send({ kind: "committed", nowMs: 10 });
    expect(ordersOf(m, "a").at(-1)).toMatchObject({ version: 1, round: 2, attempt: 0 });
  });

  it("divides the batch among the orders of a version, along the epoch's permutation", () => {
    const m = machine({ ...bufferedOf(3), examples: 10 }, 3);
    for (const worker of ["a", "b", "c"]) m.join(worker, 0);
    m.deliver("a", 1);
    const slices = m.work().map(({ order }) => order.kind === "gradient" && order.examples);
    expect(slices).toMatchObject([
      { epoch: 0, start: 0, count: 4 },
      { epoch: 0, start: 4, count: 4 },
      { epoch: 0, start: 8, count: 2 },
      { epoch: 1, start: 0, count: 4 },
    ]);
  });

  it("weighs an update by the versions made since its base", () => {
    const m = machine(bufferedOf(1), 2);
    m.join("a", 0);
    m.join("b", 0);
    for (let made = 0; made < 3; made++) {
      m.deliver("a", 1 + made);
      m.send({ kind: "committed", nowMs: 1 + made });
    }
    const { effects } = m.begin("b", 9);
    expect(effects.find(({ kind }) => kind === "receive")).toMatchObject({ discount: 0.5 });
    expect([0, 3, 8].map((age) => stalenessWeight(polynomial, age))).toEqual([1, 1 / 2, 1 / 3]);
    expect(stalenessWeight({ kind: "constant" }, 8)).toBe(1);
  });

  it("makes no version that would put one still computing too far behind; its deadline ends the wait", () => {
    const m = machine(bufferedOf(1, 1), 2);
    m.join("a", 0);
    m.join("b", 0);
    m.deliver("a", 1);
    m.send({ kind: "committed", nowMs: 2 });
    // Version 2 would leave b, on version 0, two behind.
    m.deliver("a", 3);
    expect(commits(m)).toHaveLength(1);
    expect(ordersOf(m, "a")).toHaveLength(2);
    expect(kinds(m.send({ kind: "tick", nowMs: 1000 }))).toContain("commit");
    const late = m.begin("b", 1001);
    expect(late.effects.find(({ kind }) => kind === "verdict")).toMatchObject({ verdict: { code: "late" } });
  });

  it("with no staleness allowed waits for everyone, as rounds do", () => {
    const m = machine(bufferedOf(1, 0), 3);
    for (const worker of ["a", "b", "c"]) m.join(worker, 0);
    m.deliver("a", 1);
    m.deliver("b", 2);
    expect(commits(m)).toHaveLength(0);
    m.deliver("c", 3);
    expect(commits(m)).toMatchObject([{ uploads: [1, 2, 3] }]);
  });

  it("moves an upload that is arriving when a buffer closes into the next", () => {
    const m = machine(bufferedOf(1), 2);
    m.join("a", 0);
    m.join("b", 0);
    const { upload } = m.begin("b", 1);
    const closing = m.deliver("a", 2);
    expect(closing.filter(({ kind }) => kind === "hold" || kind === "commit")).toMatchObject([
      { kind: "hold", upload: 2 },
      { kind: "hold", upload },
      { kind: "commit", uploads: [2] },
    ]);
    const opening = m.send({ kind: "committed", nowMs: 3 });
    expect(opening.find(({ kind }) => kind === "receive")).toMatchObject({ upload, discount: 2 ** -0.5 });
    m.send({ kind: "updateArrived", worker: "b", upload, nowMs: 4 });
    expect(commits(m).at(-1)).toMatchObject({ round: 2, uploads: [upload] });
  });

  it("makes a version of what is there when everyone has gone, and tells why none came", () => {
    const m = machine(bufferedOf(5), 1);
    m.join("a", 0);
    m.deliver("a", 1);
    m.send({ kind: "left", worker: "a", nowMs: 2 });
    expect(commits(m)).toMatchObject([{ uploads: [1] }]);
    m.send({ kind: "committed", nowMs: 3 });
    m.join("a", 4);
    const expired = m.send({ kind: "tick", nowMs: 1004 });
    expect(expired.find(({ kind }) => kind === "reopened")).toMatchObject({ round: 2, reason: /in time/ });
    // The next order has twice the time.
    expect(ordersOf(m, "a").at(-1)).toMatchObject({ deadlineMs: 2000 });
  });

  it("ends a run in which every order of everyone is declined", () => {
    const m = machine(bufferedOf(2), 2);
    m.join("a", 0);
    m.join("b", 0);
    for (let i = 0; m.state.phase.kind !== "finished" && i < 20; i++) {
      const { worker, round, attempt } = m.work().at(-1)!;
      m.send({ kind: "declined", worker, round, attempt, reason: { code: "loss", text: "loss is NaN" }, nowMs: i });
      const other = m.state.tasks.get(worker === "a" ? "b" : "a");
      if (other === undefined) continue;
      m.send({ kind: "declined", ...other, reason: { code: "loss", text: "loss is NaN" }, nowMs: i });
    }
    expect(m.state.phase).toMatchObject({ kind: "finished", reason: "failed" });
  });

  it("closes its sums early for whoever comes with more examples than they have room for, and has room then", () => {
    const work = { kind: "local", epochs: 1, batchSize: 4, optimizer: { name: "sgd", learningRate: 1 } } as const;
    const m = machine({ ...bufferedOf(3), work, examples: 0 }, 1);
    m.join("a", 0, { ownExamples: 8 });
    // Empty, they are opened anew.
    expect(kinds(m.join("b", 1, { ownExamples: 20 }))).toContain("open");
    expect(ordersOf(m, "b")).toHaveLength(1);
    m.deliver("a", 2);
    expect(kinds(m.join("c", 3, { ownExamples: 50 }))).toContain("commit");
    expect(ordersOf(m, "c")).toHaveLength(0);
    expect(kinds(m.send({ kind: "committed", nowMs: 4 }))).toContain("open");
    expect(ordersOf(m, "c")).toHaveLength(1);
  });

  it("keeps no more at work at once than the cohort says", () => {
    const m = machine({ ...bufferedOf(2), cohort: { count: 2 } }, 4);
    for (const worker of ["a", "b", "c", "d"]) m.join(worker, 0);
    expect(m.work()).toHaveLength(2);
    m.deliver(m.work()[0]!.worker, 1);
    expect(m.state.tasks.size).toBe(2);
  });
});

describe("late updates", () => {
  const late = { quorum: { count: 1 }, late: "buffer" } as const;

  it("are counted in the next round with the weight of staleness 1, and cost their worker no invitation after", () => {
    const m = machine(late, 2);
    m.join("a", 0);
    m.join("b", 0);
    m.deliver("a", 1);
    m.send({ kind: "committed", nowMs: 2 });
    // b still works on round 1 and is not invited to round 2.
    expect(m.work().filter(({ round }) => round === 2)).toMatchObject([{ worker: "a" }]);
    const delivered = m.deliver("b", 3);
    expect(delivered.find(({ kind }) => kind === "receive")).toMatchObject({ discount: 2 ** -0.5 });
    expect(delivered.find(({ kind }) => kind === "verdict")).toMatchObject({ verdict: { accepted: true, version: 2 } });
    m.deliver("a", 4);
    expect(commits(m).at(-1)).toMatchObject({ round: 2, uploads: [3, 2] });
    m.send({ kind: "committed", nowMs: 5 });
    expect(m.work().filter(({ round }) => round === 3)).toHaveLength(2);
  });

  it("may go on over a broken connection, with a deadline that can be told", () => {
    const m = machine(late, 2);
    m.join("a", 0);
    m.join("b", 0);
    m.begin("b", 1);
    m.deliver("a", 1);
    m.send({ kind: "disconnected", worker: "b", nowMs: 2 });
    // The round is being committed: nobody knows yet when the next one closes.
    expect(m.join("b", 3).find(({ kind }) => kind === "sendWork")).toMatchObject({ deadlineMs: 2 ** 31 - 1 });
    m.send({ kind: "committed", nowMs: 4 });
    m.send({ kind: "disconnected", worker: "b", nowMs: 5 });
    expect(m.join("b", 6).find(({ kind }) => kind === "sendWork")).toMatchObject({ deadlineMs: 998 });
  });

  it("are refused when they miss the next round as well", () => {
    const m = machine(late, 2);
    m.join("a", 0);
    m.join("b", 0);
    for (const nowMs of [1, 3]) {
      m.deliver("a", nowMs);
      m.send({ kind: "committed", nowMs: nowMs + 1 });
    }
    const { effects } = m.begin("b", 9);
    expect(effects.find(({ kind }) => kind === "verdict")).toMatchObject({ verdict: { code: "late" } });
  });
});

it("a worker that is asked again to measure a version is sent its share of the examples first", () => {
  const work = { kind: "local", epochs: 1, batchSize: 4, optimizer: { name: "sgd", learningRate: 1 } } as const;
  const m = machine({ work, evaluation: { on: "workers", every: 1, heldOut: 0.2 } }, 1);
  m.join("a", 0);
  m.deliver("a", 1);
  m.send({ kind: "committed", nowMs: 2 });
  m.send({ kind: "disconnected", worker: "a", nowMs: 3 });
  // It may be a new process, which knows who it is and holds nothing else.
  const sent = m.join("a", 4).filter(({ kind }) => kind === "sendPartition" || kind === "sendWork");
  expect(sent).toMatchObject([{ kind: "sendPartition" }, { kind: "sendWork", order: { kind: "evaluate" } }]);
});

describe("backups and over-selection", () => {
  it("close the round on the fastest", () => {
    const m = machine({ quorum: { count: 2 } }, 3);
    for (const worker of ["a", "b", "c"]) m.join(worker, 0);
    m.deliver("c", 1);
    m.deliver("a", 2);
    expect(commits(m)).toMatchObject([{ round: 1, cohort: ["a", "b", "c"], uploads: [2, 1] }]);
  });

  it("invite more than are needed, and take the quorum of those needed", () => {
    const m = machine({ cohort: { count: 4, overSelect: 1.5 }, quorum: { fraction: 1 } }, 8);
    for (let i = 0; i < 8; i++) m.join(`w${i}`, 0);
    const invited = m.work().map(({ worker }) => worker);
    expect(invited).toHaveLength(6);
    for (const [i, worker] of invited.slice(0, 4).entries()) {
      expect(commits(m)).toHaveLength(0);
      m.deliver(worker, 1 + i);
    }
    expect(commits(m)).toHaveLength(1);
  });
});

it("balance by speed divides the batch in proportion, at least one example each", () => {
  const m = machine({ balance: "speed", examples: 1000, work: { kind: "gradient", batchSize: 100 } }, 3);
  for (const worker of ["a", "b", "c"]) m.join(worker, 0);
  const counts = () =>
    m
      .work()
      .slice(-3)
      .map(({ order }) => (order.kind === "gradient" ? order.examples.count : 0));
  expect(counts()).toEqual([34, 33, 33]);
  m.deliver("a", 999, { weight: 34, computeMs: 340, loss: 1 });
  m.deliver("b", 999, { weight: 33, computeMs: 33, loss: 1 });
  m.deliver("c", 999, { weight: 33, computeMs: 990, loss: 1 });
  m.send({ kind: "committed", nowMs: 999 });
  // 100, 1000 and 33⅓ examples a second.
  expect(counts()).toEqual([10, 86, 4]);
  expect(counts().reduce((sum, count) => sum + count)).toBe(100);
});

it("a deadline is learnt with as many deviations as asked", () => {
  const durations = [9000, 10_000, 11_000, 10_000, 30_000];
  expect(deadlineFor({ deviations: 2 }, durations, 0)).toBe(15_000);
  expect(deadlineFor({ deviations: 10 }, durations, 0)).toBe(deadlineFor("adaptive", durations, 0));
});
