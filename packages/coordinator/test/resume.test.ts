import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { listRuns, loadVersion } from "../src/index.ts";
import { openDatabase } from "../src/store/database.ts";
import { type FakeWorker, makeJob, startRun, turns, until } from "./harness.ts";

const root = mkdtempSync(join(tmpdir(), "weft-resume-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const freshDirectory = () => join(root, String(folders++));

const job = makeJob({ stop: { rounds: 5 } });
const checkpoint = { everyRounds: 3 };

async function undisturbed(): Promise<Float32Array> {
  const run = await startRun({ job, run: { expectedWorkers: 2 } });
  run.join();
  run.join();
  return (await run.coordinator.finished).weights;
}

describe("a coordinator that dies in the middle of a round", () => {
  it("goes on where it was: the finished run has the bits of an undisturbed one", async () => {
    const directory = freshDirectory();
    const first = await startRun({ job, store: { directory, checkpoint }, run: { expectedWorkers: 2 } });
    const workers = [first.join(), first.join()];
    await until(() => first.of("round").length >= 2 && workers[0]!.of("work").length > 2);
    await first.coordinator.abort();
    // The round being committed may have made it to the disk without anyone hearing of it.
    const committed = listRuns(directory)[0]?.rounds ?? 0;
    expect(committed).toBeGreaterThanOrEqual(first.of("round").length);
    expect(listRuns(directory)).toMatchObject([{ status: "interrupted" }]);
    const store = { directory, checkpoint, resume: first.coordinator.run.slice(0, 4) };
    const second = await startRun({ job: undefined, store, run: {} });
    expect(second.of("recovered")).toMatchObject([{ version: committed, warnings: [] }]);
    // Back in the other order; each resumes its identity and with it its place.
    const again: FakeWorker[] = [];
    for (const { resume } of workers.toReversed()) again.push(second.join({ resume }));
    const outcome = await second.coordinator.finished;
    expect(outcome).toMatchObject({ reason: "rounds", rounds: 5, version: 5 });
    expect(again.map(({ worker }) => worker)).toEqual(workers.map(({ worker }) => worker).toReversed());
    expect(outcome.weights).toEqual(await undisturbed());
    expect((await loadVersion(directory, first.coordinator.run)).weights).toEqual(outcome.weights);
    expect(listRuns(directory)).toMatchObject([{ status: "finished", rounds: 5, version: 5, metrics: { loss: 2 } }]);
  });

  const sgd = { name: "sgd", learningRate: 1 } as const;
  const local = { kind: "local", epochs: 1, batchSize: 10, optimizer: { name: "sgd", learningRate: 0.1 } } as const;

  it.each([
    ["SCAFFOLD's control variates", { work: { ...local, correction: { kind: "scaffold" } }, server: sgd }],
    ["FedDyn's memory", { work: { ...local, correction: { kind: "feddyn", alpha: 0.1 } }, server: sgd }],
    [
      "momentum over control variates",
      { work: { ...local, correction: { kind: "scaffold" } }, server: { ...sgd, momentum: 0.9 } },
    ],
    ["FedYogi's moments", { work: local, server: { name: "yogi", learningRate: 0.1 } }],
  ] as const)("has %s again, bit for bit", async (_, round) => {
    // The control variates begin within a block.
    const size = 40_000;
    const encoded = makeJob({ size, round: { ...round, cohort: { count: 2 } }, stop: { rounds: 5 } });
    const begin = async (store?: { readonly directory: string }) => {
      const run = await startRun({
        job: encoded,
        store: store && { ...store, checkpoint },
        run: { expectedWorkers: 3 },
      });
      return { run, workers: [run.join(), run.join(), run.join()] };
    };
    const { run: calm } = await begin();
    const undone = (await calm.coordinator.finished).weights;
    const directory = freshDirectory();
    const { run: first, workers } = await begin({ directory });
    await until(() => first.of("round").length >= 2);
    await first.coordinator.abort();
    const second = await startRun({ job: undefined, store: { directory, checkpoint, resume: first.coordinator.run } });
    for (const { resume } of workers) second.join({ resume });
    expect((await second.coordinator.finished).weights).toEqual(undone);
    const { weights } = await loadVersion(directory, first.coordinator.run);
    const isDouble = "correction" in round.work && round.work.correction.kind === "scaffold";
    expect(weights.length).toBe(isDouble ? 2 * size : size);
  });

  it("goes on at once when it had finished already", async () => {
    const directory = freshDirectory();
    const first = await startRun({ job: makeJob({ size: 4, stop: { rounds: 1 } }), store: { directory } });
    first.join();
    const { weights, path } = await first.coordinator.finished;
    expect(path).toContain("version-000001.safetensors");
    const second = await startRun({ store: { directory, resume: first.coordinator.run } });
    const outcome = await second.coordinator.finished;
    expect(outcome).toMatchObject({ reason: "rounds", rounds: 1 });
    expect(outcome.weights).toEqual(weights);
  });

  it("cannot be resumed twice at once, nor under an unknown name", async () => {
    const directory = freshDirectory();
    const first = await startRun({ store: { directory } });
    const store = { directory, resume: first.coordinator.run };
    await expect(startRun({ store })).rejects.toThrow(/in use by another coordinator/);
    await expect(startRun({ store: { directory, resume: "nope" } })).rejects.toThrow(/no run nope/);
    await first.coordinator.abort();
  });
});

it("a stopped run is resumed with the workers' own streams where they stood", async () => {
  const directory = freshDirectory();
  const own = makeJob({ size: 4, examples: 0, stop: { rounds: 4 } });
  const first = await startRun({ job: own, store: { directory } });
  const worker = first.join({ ownExamples: 100 });
  await until(() => first.of("round").length >= 2);
  await first.coordinator.stop("pause");
  const positions = worker.of("work").map(({ order }) => order.kind === "gradient" && order.examples);
  const second = await startRun({ job: undefined, store: { directory, resume: first.coordinator.run } });
  const again = second.join({ ownExamples: 100, resume: worker.resume });
  await second.coordinator.finished;
  const all = [
    ...positions.slice(0, first.of("round").length),
    ...again.of("work").map((work) => work.order.kind === "gradient" && work.order.examples),
  ];
  expect(all.map((choice) => choice && choice.kind === "own" && choice.position)).toEqual([0, 12, 24, 36]);
});

it("a disk that fails ends the run with an error that says so, and closes everything", async () => {
  const directory = freshDirectory();
  const run = await startRun({ job: makeJob({ size: 4 }), store: { directory, checkpoint: { everyRounds: 1 } } });
  run.coordinator.on((event) => {
    if (event.event === "round") rmSync(run.coordinator.directory!, { recursive: true });
  });
  const worker = run.join();
  await expect(run.coordinator.finished).rejects.toThrow(/the directory is not there; was the run removed/);
  expect((await worker.closed).code).toBe(1011);
  expect(run.clock.pending).toBe(0);
});

it("a resumed run gathers, flushes and writes versions as it did before, unless told otherwise", async () => {
  const directory = freshDirectory();
  const run = { expectedWorkers: 2, gatherMs: 900 };
  const store = { directory, durability: "power", checkpoint: { everyRounds: 2 } } as const;
  const first = await startRun({ job: makeJob({ size: 4, stop: { rounds: 6 } }), store, run });
  await turns(2);
  await first.coordinator.abort();
  const resume = first.coordinator.run;
  const second = await startRun({ job: undefined, store: { directory, resume }, run: { gatherMs: undefined } });
  expect(second.coordinator.report().expectedWorkers).toBe(2);
  second.join();
  await until(() => second.of("workerJoined").length === 1);
  await second.clock.advance(800);
  expect(second.of("round")).toEqual([]);
  await second.clock.advance(200);
  await until(() => second.of("round").length >= 3);
  await second.coordinator.abort();
  expect(second.of("checkpoint")[0]).toMatchObject({ version: 2 });
  const database = openDatabase(second.coordinator.directory!, "read");
  expect(database.checkpoints().map(({ flushed }) => flushed)).not.toContain(false);
  expect(database.meta().options).toEqual({ ...run, durability: "power", checkpoint: { everyRounds: 2 } });
  database.close();
  const otherwise = { directory, resume, checkpoint: { everyRounds: 1 } };
  const third = await startRun({ job: undefined, store: otherwise, run: { expectedWorkers: 1 } });
  third.join();
  await third.coordinator.finished;
  expect(third.of("checkpoint").map(({ version }) => version)).toContain(5);
  expect(third.of("checkpoint")).toHaveLength(third.of("round").length);
});
