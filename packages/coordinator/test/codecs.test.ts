/** Codecs from end to end: what is published, what is sent of it, what is counted, where the bytes went. */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { listRuns, openRun } from "../src/index.ts";
import { type FakeWorker, makeJob, startRun, type TestRun, until, updateFor } from "./harness.ts";

const root = mkdtempSync(join(tmpdir(), "weft-codecs-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const freshDirectory = () => join(root, String(folders++));

/** Small steps, as trained weights make them. */
const round = { server: { name: "sgd", learningRate: 1e-3 } };
const size = 70_000;

async function pairOfWorkers(run: TestRun): Promise<FakeWorker[]> {
  const workers = [run.join(), run.join()];
  await run.coordinator.finished;
  return workers;
}

const hashOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

describe.each(["int8", "int4", "f16"] as const)("versions published as %s", (down) => {
  it("are followed by differences, which lead to the same bytes in less", async () => {
    const job = makeJob({ codec: { up: "int8", down }, round, stop: { rounds: 4 } });
    const run = await startRun({ job, run: { expectedWorkers: 2 } });
    const [worker] = await pairOfWorkers(run);
    const sent = worker!.of("weights");
    expect(sent.map(({ version, delta }) => [version, delta?.from])).toEqual([
      [0, undefined],
      [1, 0],
      [2, 1],
      [3, 2],
    ]);
    for (const { version, hash } of sent) expect(hashOf(worker!.encoded.get(version)!)).toBe(hash);
    const bytesOf = (codec: string) =>
      [...worker!.connection.stats.tally].find((entry) => entry.kind === "weights" && entry.codec === codec)!
        .receivedBytes;
    expect(bytesOf(`${down} delta`) / 3).toBeLessThan(0.8 * bytesOf(down));
  });

  it("are the same after a kill, and so is the finished run", async () => {
    const job = makeJob({ codec: { up: "f32", down }, round, stop: { rounds: 5 } });
    const undisturbed = await startRun({ job, run: { expectedWorkers: 2 } });
    const [calm] = await pairOfWorkers(undisturbed);
    const directory = freshDirectory();
    const first = await startRun({ job, store: { directory }, run: { expectedWorkers: 2 } });
    const workers = [first.join(), first.join()];
    await until(() => first.of("round").length >= 2);
    await first.coordinator.abort();
    const store = { directory, resume: first.coordinator.run };
    const second = await startRun({ job: undefined, store, run: {} });
    const again = workers.map(({ resume }) => second.join({ resume }));
    const { weights } = await second.coordinator.finished;
    expect(weights).toEqual((await undisturbed.coordinator.finished).weights);
    for (const { version, hash } of again[0]!.of("weights")) {
      expect(calm!.of("weights").find((sent) => sent.version === version)?.hash).toBe(hash);
    }
  });
});

it("after versions that are alike no difference is sent from one which a worker has let go of", async () => {
  const script = (base: Float32Array, { round: made }: { readonly round: number }) =>
    base.map((_, i) => (made === 2 ? 0 : Math.sin(i)));
  const run = await startRun({ job: makeJob({ codec: { down: "int8" }, round, stop: { rounds: 5 } }) });
  const worker = run.join({ script });
  await run.coordinator.finished;
  const sent = worker.of("weights");
  expect(sent[1]!.hash).toBe(sent[2]!.hash);
  for (const { version, delta } of sent) expect(version - (delta?.from ?? version)).toBeLessThanOrEqual(2);
});

it("versions in f32 go out whole", async () => {
  const run = await startRun({ job: makeJob({ round, stop: { rounds: 3 } }), run: { expectedWorkers: 2 } });
  const [worker] = await pairOfWorkers(run);
  expect(worker!.of("weights").map(({ delta }) => delta)).toEqual([undefined, undefined, undefined]);
});

it("an update in a sparse or two-bit codec is a few bytes, and is checked as any other", async () => {
  for (const up of ["int2", { kind: "topK", fraction: 0.01 }]) {
    const run = await startRun({ job: makeJob({ codec: { up }, stop: { rounds: 2 } }) });
    const worker = run.join();
    await run.coordinator.finished;
    expect(worker.of("verdict").map(({ accepted }) => accepted)).toEqual([true, true]);
    expect(run.of("round")[0]!.bytesUp).toBeLessThan(size * 0.3);
  }
});

it("bytes that no encoder makes cost their sender the round", async () => {
  const job = makeJob({ codec: { up: "int8" }, stop: { rounds: 1 } });
  const run = await startRun({ job, run: { expectedWorkers: 2 } });
  const [worker, other] = [run.join({ automatic: false }), run.join()];
  await until(() => worker.lastWork !== undefined);
  const values = await worker.values(worker.lastWork!);
  const bytes = worker.encode(values, worker.lastWork!).fill(0xff, 0, 2);
  worker.send(updateFor(worker.lastWork!, { codec: "int8" }), bytes);
  await until(() => worker.of("verdict").length > 0);
  expect(worker.of("verdict")[0]).toMatchObject({ accepted: false, code: "value" });
  await run.coordinator.finished;
  expect(other.of("verdict")[0]).toMatchObject({ accepted: true });
});

it("a worker that knows none of the job's codecs is turned away with their names", async () => {
  const run = await startRun({ job: makeJob({ codec: { up: "sign", down: "int8" } }) });
  const worker = run.join({ codecs: ["f32", "int8"] });
  await worker.closed;
  expect(worker.of("refused")[0]).toMatchObject({ code: "codec" });
  expect(worker.of("refused")[0]!.reason).toContain("sign");
  await run.coordinator.abort();
});

describe("the ledger of bytes", () => {
  it("has every byte of a round by worker, kind and codec", async () => {
    const directory = freshDirectory();
    const job = makeJob({ codec: { up: "int8", down: "int4" }, round, stop: { rounds: 3 } });
    const run = await startRun({ job, store: { directory }, run: { expectedWorkers: 2 } });
    const workers = await pairOfWorkers(run);
    const { rounds } = openRun(directory, run.coordinator.run);
    for (const { traffic, bytesUp, bytesDown } of rounds) {
      expect(traffic.reduce((sum, entry) => sum + entry.bytesUp, 0)).toBe(bytesUp);
      expect(traffic.reduce((sum, entry) => sum + entry.bytesDown, 0)).toBe(bytesDown);
      for (const { worker } of workers) {
        const update = traffic.find((entry) => entry.worker === worker && entry.kind === "update");
        expect(update).toMatchObject({ codec: "int8", bytesDown: 0 });
        expect(update!.bytesUp).toBeGreaterThan(size);
        expect(update!.bytesUp).toBeLessThan(size * 1.05);
      }
    }
    const { traffic } = await run.coordinator.finished;
    const total = (way: "bytesUp" | "bytesDown") => rounds.reduce((sum, record) => sum + record[way], 0);
    expect(traffic.reduce((sum, entry) => sum + entry.bytesUp, 0)).toBe(total("bytesUp"));
    expect(listRuns(directory)).toMatchObject([{ bytesUp: total("bytesUp"), bytesDown: total("bytesDown") }]);
    const [first] = run.of("round");
    expect(first!.traffic.slice(0, 2).map(({ kind, codec }) => `${kind} ${codec}`)).toEqual([
      "update int8",
      "weights int4",
    ]);
    expect(first!.traffic.reduce((sum, entry) => sum + entry.bytesUp + entry.bytesDown, 0)).toBe(
      first!.bytesUp + first!.bytesDown,
    );
  });
});

describe("a worker that comes back with an update of unknown fate", () => {
  it("is told that it was counted, by the coordinator that did and by the one after it", async () => {
    const directory = freshDirectory();
    const job = makeJob({ size: 4, stop: { rounds: 3 } });
    const first = await startRun({ job, store: { directory }, run: { expectedWorkers: 2 } });
    const [worker, slow] = [first.join(), first.join({ automatic: false })];
    await until(() => worker.of("verdict").length === 1);
    const holds = {
      versions: [],
      parts: [],
      updates: [
        { round: 1, attempt: 0 },
        { round: 1, attempt: 7 },
      ],
    };
    const gathered = first.join({ resume: worker.resume, holds });
    await until(() => gathered.of("welcome").length === 1);
    expect(gathered.of("welcome")[0]!.counted).toEqual([{ round: 1, attempt: 0, version: 1 }]);
    await until(() => slow.lastWork !== undefined);
    await slow.answer(slow.lastWork!);
    await until(() => first.of("round").length === 1);
    await first.coordinator.abort();
    const second = await startRun({ job: undefined, store: { directory, resume: first.coordinator.run } });
    const again = second.join({ resume: worker.resume, holds });
    await until(() => again.of("welcome").length === 1);
    expect(again.of("welcome")[0]!.counted).toEqual([{ round: 1, attempt: 0, version: 1 }]);
    const stranger = second.join({ resume: slow.resume, holds: { ...holds, updates: [{ round: 3, attempt: 0 }] } });
    await until(() => stranger.of("welcome").length === 1);
    expect(stranger.of("welcome")[0]!.counted).toEqual([]);
    await second.coordinator.abort();
  });
});
