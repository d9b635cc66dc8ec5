/** What an operator changes of a run under way holds from its version on, over a kill and for the replay of its rounds. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { listRuns } from "../src/index.ts";
import { openDatabase } from "../src/store/database.ts";
import { adam, makeJob, startRun, type TestRun, turns, until } from "./harness.ts";

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

function freshDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "weft-operator-"));
  directories.push(directory);
  return directory;
}

/** Another rate from round 3 on. */
function changeAfterTwo(run: TestRun): void {
  run.coordinator.on((event) => {
    if (event.event === "round" && event.round === 2) run.coordinator.change({ learningRate: 0.5 });
  });
}

const rounds = 6;
const job = (learningRate: number = adam.learningRate) =>
  makeJob({ size: 40, stop: { rounds }, round: { server: { name: "adam", learningRate } } });

async function undisturbed(changes: boolean): Promise<Float32Array> {
  const run = await startRun({ job: job() });
  if (changes) changeAfterTwo(run);
  run.join();
  return (await run.coordinator.finished).weights;
}

describe("a change of the learning rate", () => {
  it("is replayed for the rounds that were made under it, and goes on after a kill", async () => {
    const directory = freshDirectory();
    const store = { directory, checkpoint: { everyRounds: 100, everySeconds: 1e6 } };
    const first = await startRun({ job: job(), store });
    changeAfterTwo(first);
    const worker = first.join();
    await until(() => first.of("round").length >= 4);
    await first.coordinator.abort();
    const second = await startRun({ job: undefined, store: { ...store, resume: first.coordinator.run } });
    expect(second.of("recovered")[0]!.version).toBeGreaterThanOrEqual(4);
    second.join({ resume: worker.resume });
    const { weights } = await second.coordinator.finished;
    expect(weights).toEqual(await undisturbed(true));
    expect(weights).not.toEqual(await undisturbed(false));
    expect(first.of("changed")).toEqual([{ event: "changed", changes: { learningRate: 0.5 } }]);
  });

  it("holds after a kill although no round was made under it", async () => {
    const directory = freshDirectory();
    const first = await startRun({ job: job(), store: { directory } });
    first.coordinator.change({ learningRate: 0.5 });
    await first.coordinator.abort();
    const second = await startRun({ job: undefined, store: { directory, resume: first.coordinator.run } });
    second.join();
    const { weights } = await second.coordinator.finished;
    const other = await startRun({ job: job(0.5) });
    other.join();
    expect(weights).toEqual((await other.coordinator.finished).weights);
  });

  it("is refused for what is no rate, and for an optimiser that has none of its own", async () => {
    const run = await startRun({ job: job() });
    expect(() => run.coordinator.change({ learningRate: -1 })).toThrow(/learningRate: a number above zero expected/);
    expect(() => run.coordinator.change({ quorum: { count: 0 } })).toThrow(/quorum: .* from 1/);
    expect(() => run.coordinator.change({ deadlineMs: 0.5 })).toThrow(/deadlineMs: whole milliseconds/);
    await run.coordinator.abort();
    const schedule = { name: "cosine", from: 1, to: 0, steps: 5 };
    const scheduled = await startRun({
      job: makeJob({ size: 4, round: { server: { name: "sgd", learningRate: schedule } } }),
    });
    expect(() => scheduled.coordinator.change({ learningRate: 1 })).toThrow(/follows a schedule/);
    await scheduled.coordinator.abort();
    const pace = { kind: "buffered", size: 2, staleness: { kind: "constant" } } as const;
    const buffered = await startRun({ job: makeJob({ size: 4, round: { pace } }) });
    expect(() => buffered.coordinator.change({ quorum: { count: 1 } })).toThrow(/a buffered pace has none/);
    await buffered.coordinator.abort();
    const optimizer = { name: "sgd", learningRate: 1 } as const;
    const correction = { kind: "feddyn", alpha: 0.1 } as const;
    const work = { kind: "local", epochs: 1, batchSize: 4, optimizer, correction } as const;
    const dynamic = await startRun({ job: makeJob({ size: 4, round: { work, server: optimizer } }) });
    expect(() => dynamic.coordinator.change({ learningRate: 0.5 })).toThrow(/FedDyn .* by a rate of 1/);
    await dynamic.coordinator.abort();
  });
});

it("a pause holds over a kill, and ends where the run ended in good order", async () => {
  const directory = freshDirectory();
  const start = async (resume?: string) =>
    startRun({ job: job(), store: { directory, ...(resume ? { resume } : {}) } });
  const first = await start();
  first.coordinator.pause();
  first.coordinator.pause();
  const worker = first.join();
  expect(first.of("paused")).toHaveLength(1);
  await first.coordinator.abort();
  const second = await start(first.coordinator.run);
  expect(second.of("recovered")[0]!.warnings).toEqual([expect.stringMatching(/paused .* unpause it/)]);
  const again = second.join({ resume: worker.resume });
  await until(() => second.of("workerJoined").length === 1);
  await turns(20);
  expect(again.lastWork).toBeUndefined();
  await second.coordinator.stop("for today");
  const third = await start(first.coordinator.run);
  third.join({ resume: worker.resume });
  expect(await third.coordinator.finished).toMatchObject({ reason: "rounds", rounds });
});

it("a change of the quorum lets an open round close with what it has", async () => {
  const run = await startRun({ job: makeJob({ size: 4, stop: { rounds: 1 } }), run: { expectedWorkers: 2 } });
  const [a] = [run.join({ automatic: false }), run.join({ automatic: false })];
  await until(() => a.lastWork !== undefined);
  await a.answer(a.lastWork!);
  await until(() => a.of("verdict").length === 1);
  expect(run.of("round")).toHaveLength(0);
  run.coordinator.change({ quorum: { count: 1 } });
  expect(await run.coordinator.finished).toMatchObject({ reason: "rounds" });
  expect(run.of("round")[0]).toMatchObject({ updates: 1, cohort: 2 });
});

describe("evaluation on workers", () => {
  const evaluation = { on: "workers", every: 2, heldOut: 0.2 } as const;

  it("gives the mean of their answers, and ends the run at the target", async () => {
    const stop = { rounds: 50, target: { metric: "loss", value: 0.5, every: 2 } };
    const run = await startRun({
      job: makeJob({ size: 4, examples: 0, stop, round: { evaluation } }),
      run: { expectedWorkers: 2 },
    });
    const workers = [run.join({ ownExamples: 50 }), run.join({ ownExamples: 50 })];
    const outcome = await run.coordinator.finished;
    expect(outcome).toMatchObject({ reason: "target", rounds: 4, metrics: { loss: 0.5, accuracy: 0.5 } });
    const movedUntil = (version: number) => {
      const rounds = run.of("round").filter((each) => each.version <= version);
      const sum = (way: "bytesUp" | "bytesDown") => rounds.reduce((bytes, each) => bytes + each[way], 0);
      return { bytesUp: sum("bytesUp"), bytesDown: sum("bytesDown") };
    };
    const evaluated = { event: "evaluated", workers: 2, examples: 8 };
    expect(run.of("evaluated")).toEqual([
      { ...evaluated, round: 2, version: 2, metrics: { loss: 1, accuracy: 0.5 }, ...movedUntil(2) },
      { ...evaluated, round: 4, version: 4, metrics: { loss: 0.5, accuracy: 0.5 }, ...movedUntil(4) },
    ]);
    expect(movedUntil(4).bytesUp).toBeGreaterThan(movedUntil(2).bytesUp);
    for (const worker of workers)
      expect(worker.of("work").filter(({ order }) => order.kind === "evaluate")).toHaveLength(2);
  });

  it("ends the run when patience is over", async () => {
    const stop = { rounds: 50, patience: { metric: "accuracy", evaluations: 2 } };
    const run = await startRun({ job: makeJob({ size: 4, examples: 0, stop, round: { evaluation } }) });
    run.join({ ownExamples: 50 });
    expect(await run.coordinator.finished).toMatchObject({ reason: "patience", rounds: 6 });
  });
});

it("an evaluation that a kill cut off is made after the restart, before any round", async () => {
  const directory = freshDirectory();
  const round = { evaluation: { on: "coordinator", every: 2 } } as const;
  const stop = { rounds: 50, target: { metric: "accuracy", value: 0.9, every: 2 } };
  const cutOff = Promise.withResolvers<Record<string, number>>();
  const first = await startRun({
    job: makeJob({ size: 4, stop, round }),
    store: { directory },
    evaluate: () => cutOff.promise,
  });
  const { resume } = first.join();
  await until(() => first.of("round").length === 2);
  const aborted = first.coordinator.abort();
  cutOff.resolve({ accuracy: 0.95 });
  await aborted;
  const store = { directory, resume: first.coordinator.run };
  const second = await startRun({ job: undefined, store, evaluate: () => Promise.resolve({ accuracy: 0.95 }) });
  second.join({ resume });
  expect(await second.coordinator.finished).toMatchObject({ reason: "target", rounds: 2 });
});

it("evaluation on a coordinator that cannot evaluate is refused", async () => {
  const round = { evaluation: { on: "coordinator", every: 1 } } as const;
  await expect(startRun({ job: makeJob({ size: 4, round }) })).rejects.toThrow(/give `evaluate`/);
});

it("a worker that went and is owed nothing is dropped from the store in the end", async () => {
  const directory = freshDirectory();
  const run = await startRun({ job: makeJob({ size: 4, stop: { rounds: 110 } }), store: { directory } });
  const passing = run.join({ automatic: false });
  const steady = run.join();
  await until(() => run.of("workerJoined").length === 2);
  passing.send({ kind: "leave", reason: "done" });
  await run.coordinator.finished;
  const database = openDatabase(run.coordinator.directory!, "read");
  expect(database.workers().map(({ id }) => id)).toEqual([steady.worker]);
  database.close();
});

it("a buffered run that is killed goes on from its last version, with the same workers", async () => {
  const directory = freshDirectory();
  const pace = { kind: "buffered", size: 2, staleness: { kind: "polynomial", exponent: 0.5 } } as const;
  const buffered = makeJob({ size: 40, stop: { rounds: 8 }, round: { pace } });
  const first = await startRun({ job: buffered, store: { directory } });
  const workers = [first.join(), first.join()];
  await until(() => first.of("round").length >= 3);
  await first.coordinator.abort();
  const second = await startRun({ job: undefined, store: { directory, resume: first.coordinator.run } });
  const again = workers.map(({ resume }) => second.join({ resume }));
  expect(await second.coordinator.finished).toMatchObject({ reason: "rounds", rounds: 8 });
  expect(listRuns(directory)).toMatchObject([{ rounds: 8, version: 8 }]);
  expect(again.map(({ worker }) => worker)).toEqual(workers.map(({ worker }) => worker));
});
