/** A round that closes with fewer updates than were asked for closes all the same, and says so. */
import { Writable } from "node:stream";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { machine } from "./machine.ts";
import { makeJob, startRun, until } from "./harness.ts";

type Machine = ReturnType<typeof machine>;
const shortOf = (m: Machine) => m.log.filter(({ kind }) => kind === "closedShort");
const closed = (m: Machine) => m.log.filter(({ kind }) => kind === "commit").length;
const five = { quorum: { count: 5 } };

function of(m: Machine, workers: readonly string[]): Machine {
  for (const worker of workers) m.join(worker, 0);
  return m;
}

describe("a quorum given as a count", () => {
  it("above the workers that are there means all of these, and the round says that it closes short", () => {
    const m = of(machine(five, 3), ["a", "b", "c"]);
    m.deliver("a", 1);
    m.deliver("b", 2);
    expect([closed(m), shortOf(m)]).toEqual([0, []]);
    const effects = m.deliver("c", 3);
    const reason = "its cohort was of 3 workers";
    expect(shortOf(m)).toEqual([
      { kind: "closedShort", round: 1, attempt: 0, updates: 3, asked: 5, cause: "cohort", reason },
    ]);
    expect(effects.map(({ kind }) => kind).filter((kind) => kind === "closedShort" || kind === "commit")).toEqual([
      "closedShort",
      "commit",
    ]);
  });

  it("is met in full once enough workers have come, in silence", () => {
    const m = of(machine({ quorum: { count: 3 } }, 2), ["a", "b"]);
    for (const worker of ["a", "b"]) m.deliver(worker, 1);
    m.join("c", 2);
    m.join("d", 2);
    m.send({ kind: "committed", nowMs: 3 });
    for (const worker of ["a", "c", "d"]) m.deliver(worker, 4);
    expect([closed(m), shortOf(m)]).toMatchObject([2, [{ round: 1, updates: 2 }]]);
  });

  it("that members leave behind means all who remain, and says how many went", () => {
    const m = of(machine({ quorum: { count: 3 } }, 4), ["a", "b", "c", "d"]);
    m.deliver("a", 1);
    m.send({ kind: "left", worker: "c", nowMs: 2 });
    // Three are left, and all of them are needed now.
    m.deliver("b", 3);
    expect(closed(m)).toBe(0);
    m.send({ kind: "left", worker: "d", nowMs: 4 });
    expect(closed(m)).toBe(1);
    const reason = "2 of 4 invited have left or brought no valid update";
    expect(shortOf(m)).toMatchObject([{ updates: 2, asked: 3, cause: "departures", reason }]);
  });

  it("raised above those present while a round is open keeps it open for all of them, and lowered closes it in silence", () => {
    const m = of(machine({ quorum: { count: 1 } }, 3), ["a", "b", "c"]);
    m.send({ kind: "change", changes: { quorum: { count: 9 } }, nowMs: 1 });
    m.deliver("a", 2);
    m.deliver("b", 3);
    expect(closed(m)).toBe(0);
    m.send({ kind: "change", changes: { quorum: { count: 2 } }, nowMs: 4 });
    expect([closed(m), shortOf(m)]).toEqual([1, []]);
  });

  it("above the cohort's count is refused as a change, as it is in a job", async () => {
    const run = await startRun({ job: makeJob({ size: 4, round: { cohort: { count: 3 } } }) });
    const change = () => {
      run.coordinator.change({ quorum: { count: 4 } });
    };
    expect(change).toThrow(/quorum: \{ count \} up to the 3 workers invited .* got \{"count":4\}/);
    run.coordinator.change({ quorum: { count: 3 } });
    expect(run.coordinator.report().changes).toEqual({ quorum: { count: 3 } });
    await run.coordinator.abort();
  });
});

describe("a quorum given as a part", () => {
  it("asks for that part of those needed when the round opened: whoever leaves is missed aloud", () => {
    const m = of(machine({ quorum: { fraction: 0.75 } }, 4), ["a", "b", "c", "d"]);
    for (const worker of ["c", "d"]) m.send({ kind: "left", worker, nowMs: 1 });
    for (const worker of ["a", "b"]) m.deliver(worker, 2);
    expect(shortOf(m)).toMatchObject([{ updates: 2, asked: 3, cause: "departures" }]);
  });

  it("that has delivered says nothing, whoever leaves", () => {
    const m = of(machine({ quorum: { fraction: 0.5 } }, 4), ["a", "b", "c", "d"]);
    m.send({ kind: "left", worker: "d", nowMs: 1 });
    for (const worker of ["a", "b"]) m.deliver(worker, 2);
    expect([closed(m), shortOf(m)]).toEqual([1, []]);
  });
});

it("a round that its deadline closes says so", () => {
  const m = of(machine({ deadlineMs: 100 }, 2), ["a", "b"]);
  m.deliver("a", 1);
  m.send({ kind: "tick", nowMs: 100 });
  const reason = "its deadline of 100 ms was over";
  expect(shortOf(m)).toMatchObject([{ updates: 1, asked: 2, cause: "deadline", reason }]);
});

it("a buffer that everyone left before it was full says so", () => {
  const m = of(machine({ pace: { kind: "buffered", size: 3, staleness: { kind: "constant" } }, gatherMs: 50 }, 1), [
    "a",
  ]);
  m.deliver("a", 1);
  m.send({ kind: "left", worker: "a", nowMs: 2 });
  expect(closed(m)).toBe(1);
  expect(shortOf(m)).toMatchObject([{ updates: 1, asked: 3, cause: "departures", reason: "every worker has left" }]);
});

it("the run tells of it by an event and a warning in its log", async () => {
  const lines: string[] = [];
  const sink = new Writable({
    write(chunk, _, done) {
      lines.push(String(chunk));
      done();
    },
  });
  const job = makeJob({ size: 4, stop: { rounds: 1 }, round: { quorum: { count: 4 } } });
  const run = await startRun({ job, log: pino(sink) });
  run.join();
  await run.coordinator.finished;
  await until(() => run.of("finished").length === 1);
  const said = { event: "closedShort", round: 1, updates: 1, asked: 4, cause: "cohort" };
  expect(run.of("closedShort")).toMatchObject([{ ...said, attempt: 0, reason: "its cohort was of 1 worker" }]);
  const logged = lines.map((line) => JSON.parse(line) as { readonly event?: string });
  const warn = 40;
  expect(logged.filter(({ event }) => event === "closedShort")).toMatchObject([
    { ...said, level: warn, topic: "round" },
  ]);
});
