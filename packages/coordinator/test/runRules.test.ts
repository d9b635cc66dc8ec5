/** Evaluation on workers, early ends, changes by an operator, and what is kept of workers that went. */
import { describe, expect, it } from "vitest";
import { durableProgress, resumedState } from "../src/round/durable.ts";
import { evaluationAttempt } from "../src/round/evaluation.ts";
import { rememberedVersions, rememberedWorkers } from "../src/round/forget.ts";
import { kinds, machine } from "./machine.ts";
import { plan } from "./simulateRound.ts";

type Machine = ReturnType<typeof machine>;
const onWorkers = { on: "workers", every: 2, heldOut: 0.2 } as const;

function round(m: Machine, workers: readonly string[], nowMs: number): void {
  for (const worker of workers) m.deliver(worker, nowMs);
  m.send({ kind: "committed", nowMs });
}

const answer = (m: Machine, worker: string, loss: number, weight = 10) =>
  m.send({
    kind: "evaluated",
    worker,
    round: m.state.version,
    attempt: evaluationAttempt,
    weight,
    metrics: { loss: loss * weight },
    nowMs: 100,
  });

describe("evaluation on workers", () => {
  it("asks them between rounds, and gives the mean over all their examples", () => {
    const m = machine({ evaluation: onWorkers }, 2);
    m.join("a", 0);
    m.join("b", 0);
    round(m, ["a", "b"], 1);
    round(m, ["a", "b"], 2);
    const asked = m.work().filter(({ order }) => order.kind === "evaluate");
    expect(asked).toMatchObject([
      { worker: "a", version: 2, round: 2 },
      { worker: "b", version: 2, round: 2 },
    ]);
    expect(m.state.phase.kind).toBe("gathering");
    answer(m, "b", 3, 30);
    const closing = answer(m, "a", 1, 10);
    expect(closing.find(({ kind }) => kind === "evaluated")).toMatchObject({
      version: 2,
      metrics: { loss: 2.5 },
      workers: 2,
      examples: 40,
    });
    expect(kinds(closing)).toContain("open");
  });

  it("waits neither for those who decline nor beyond its deadline, and says when nobody answered", () => {
    const m = machine({ evaluation: { ...onWorkers, every: 1, deadlineMs: 500 } }, 2);
    m.join("a", 0);
    m.join("b", 0);
    round(m, ["a", "b"], 1);
    m.send({
      kind: "declined",
      worker: "a",
      round: 1,
      attempt: evaluationAttempt,
      reason: { code: "x", text: "x" },
      nowMs: 2,
    });
    const ended = m.send({ kind: "tick", nowMs: 501 });
    expect(ended.find(({ kind }) => kind === "unevaluated")).toMatchObject({ reason: /in time/ });
    expect(kinds(ended)).toContain("open");
  });

  it("goes on beside the training of a buffered pace", () => {
    const pace = { kind: "buffered", size: 1, staleness: { kind: "constant" } } as const;
    const m = machine({ pace, evaluation: onWorkers }, 1);
    m.join("a", 0);
    round(m, ["a"], 1);
    round(m, ["a"], 2);
    expect(m.state.evaluation?.version).toBe(2);
    expect(m.state.tasks.has("a")).toBe(true);
    expect(kinds(answer(m, "a", 1))).toContain("evaluated");
  });

  it("is asked for again after a restart that forgot its answers", () => {
    const m = machine({ evaluation: onWorkers }, 1);
    m.join("a", 0);
    round(m, ["a"], 1);
    round(m, ["a"], 2);
    const progress = durableProgress(m.state, m.state.progress);
    const state = resumedState(m.state.plan, { version: 2, progress, workers: [{ id: "a", slot: 0 }], nowMs: 0 });
    const again = machine({}, 1, state);
    expect(again.join("a", 5).find(({ kind }) => kind === "sendWork")).toMatchObject({ order: { kind: "evaluate" } });
  });
});

describe("a run ends early", () => {
  it("when the workers' mean reaches the target", () => {
    const stop = { rounds: 9, target: { metric: "loss", value: 0.5, every: 2 } };
    const m = machine({ evaluation: onWorkers, stop }, 1);
    m.join("a", 0);
    round(m, ["a"], 1);
    round(m, ["a"], 2);
    expect(m.log.filter((effect) => effect.kind === "commit").map(({ evaluate }) => evaluate)).toEqual([false, false]);
    expect(kinds(answer(m, "a", 0.5))).toContain("finish");
    expect(m.state.phase).toMatchObject({ kind: "finished", reason: "target" });
  });

  it("when the metric gets no better for as many evaluations as patience lasts, restarts included", () => {
    const stop = { rounds: 99, patience: { metric: "loss", evaluations: 2, minDelta: 0.1 } };
    const evaluation = { on: "coordinator", every: 1 } as const;
    const rules = { ...plan, evaluation, stop };
    let m = machine(rules, 1);
    m.join("a", 0);
    const measure = (loss: number) => {
      m.deliver("a", 1);
      m.send({ kind: "committed", metrics: { loss }, nowMs: 1 });
    };
    measure(1);
    measure(0.95);
    const progress = durableProgress(m.state, m.state.progress);
    const state = resumedState(rules, { version: 2, progress, workers: [{ id: "a", slot: 0 }], nowMs: 0 });
    m = machine({}, 1, state);
    m.join("a", 0);
    measure(0.8);
    expect(m.state.best).toEqual({ value: 0.8, version: 3, since: 0 });
    measure(0.75);
    measure(0.9);
    expect(m.state.phase).toMatchObject({ kind: "finished", reason: "patience" });
  });
});

describe("an operator's change", () => {
  it("of the quorum holds at once, of the deadline from the next round, of the rate from the next version", () => {
    const m = machine({ deadlineMs: 1000 }, 2);
    m.join("a", 0);
    m.join("b", 0);
    m.deliver("a", 1);
    const closing = m.send({ kind: "change", changes: { quorum: { count: 1 }, learningRate: 0.5 }, nowMs: 2 });
    expect(closing.find(({ kind }) => kind === "commit")).toMatchObject({ learningRate: 0.5 });
    m.send({ kind: "change", changes: { deadlineMs: 400 }, nowMs: 3 });
    m.send({ kind: "committed", nowMs: 4 });
    expect(m.work().at(-1)).toMatchObject({ deadlineMs: 400 });
    expect(m.log.findLast(({ kind }) => kind === "changed")).toMatchObject({
      changes: { quorum: { count: 1 }, learningRate: 0.5, deadlineMs: 400 },
    });
  });

  it("is in force again after a restart", () => {
    const m = machine({}, 1);
    m.send({ kind: "change", changes: { quorum: { count: 1 }, learningRate: 0.5 }, nowMs: 0 });
    const progress = durableProgress(m.state, m.state.progress);
    const { plan: changed, changes } = resumedState(plan, { version: 0, progress, workers: [], nowMs: 0 });
    expect(changed.quorum).toEqual({ count: 1 });
    expect(changes.learningRate).toBe(0.5);
  });
});

describe("a worker that went", () => {
  it("finds its stream and its strikes again when it comes back", () => {
    const m = machine({ examples: 0 }, 1);
    m.join("a", 0, { ownExamples: 500 });
    m.join("b", 0, { ownExamples: 500 });
    round(m, ["a"], 1);
    m.deliver("a", 2);
    m.send({ kind: "left", worker: "a", nowMs: 3 });
    m.deliver("b", 4);
    m.send({ kind: "committed", nowMs: 5 });
    m.deliver("b", 6);
    m.join("a", 7, { ownExamples: 500 });
    m.send({ kind: "committed", nowMs: 8 });
    const order = m.work().findLast(({ worker }) => worker === "a")!.order;
    expect(order).toMatchObject({ examples: { kind: "own", position: 18 } });
  });

  it("is forgotten after a hundred versions when it is owed nothing, and the store is told", () => {
    const m = machine({ stop: { rounds: 1000 } }, 1);
    m.join("a", 0);
    m.join("b", 0);
    m.send({ kind: "left", worker: "b", nowMs: 0 });
    for (let i = 0; i <= rememberedVersions; i++) {
      expect(m.state.remembered.has("b")).toBe(true);
      round(m, ["a"], 1 + i);
    }
    expect(m.state.remembered.has("b")).toBe(false);
    expect(m.log.filter(({ kind }) => kind === "forget")).toEqual([{ kind: "forget", workers: ["b"] }]);
  });

  it("is remembered beside so many others at most", () => {
    const m = machine({ examples: 0 }, 1);
    for (let i = 0; i < rememberedWorkers + 20; i++) {
      m.join(`w${i}`, i, { ownExamples: 9 });
      m.send({ kind: "left", worker: `w${i}`, nowMs: i });
    }
    expect(m.state.remembered.size).toBe(rememberedWorkers);
    expect(m.state.workers.size).toBe(0);
    expect(m.state.remembered.has("w0")).toBe(false);
  });
});
