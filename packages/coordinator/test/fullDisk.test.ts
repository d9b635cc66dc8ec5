/** A disk without room, or that may not be written, makes rounds wait and loses nothing. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type Coordinator, createHost, type Disk, listRuns, loadVersion, nodeDisk } from "../src/index.ts";
import { StoreError } from "../src/errors.ts";
import { openDatabase } from "../src/store/database.ts";
import { explained } from "../src/store/nodeDisk.ts";
import { Keep, KeepBudget } from "../src/uploads/keep.ts";
import { examples, makeJob, startRun, type TestRun, turns, until } from "./harness.ts";

const root = mkdtempSync(join(tmpdir(), "weft-full-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const freshDirectory = () => join(root, String(folders++));

type Operation = "write" | "log" | "transaction" | "createLog";

/** A disk of which some operations fail while it is full; those of the log with half of their bytes written. */
function fillableDisk() {
  const full = new Set<Operation>();
  const noRoom = new StoreError("the disk is full; make room", { passing: true });
  const check = (operation: Operation) => {
    if (full.has(operation)) throw noRoom;
  };
  const disk: Disk = {
    ...nodeDisk,
    async write(path, parts, options) {
      check("write");
      await nodeDisk.write(path, parts, options);
    },
    async createLog(path) {
      check("createLog");
      const file = await nodeDisk.createLog(path);
      return {
        ...file,
        async write(bytes, position) {
          if (full.has("log")) await file.write(bytes.subarray(0, bytes.length / 2), position);
          check("log");
          await file.write(bytes, position);
        },
      };
    },
    transaction(database, work) {
      check("transaction");
      nodeDisk.transaction(database, work);
    },
  };
  return { disk, full };
}

/** A disk that may turn read-only, with the answers that Linux and SQLite give then. */
function freezableDisk() {
  const state = { frozen: false };
  const refuse = (path: string) =>
    explained(path, () => {
      const refusal = Object.assign(new Error("EROFS: read-only file system"), { code: "EROFS" });
      return state.frozen ? Promise.reject(refusal) : Promise.resolve();
    });
  const disk: Disk = {
    async write(path, parts, options) {
      await refuse(path);
      await nodeDisk.write(path, parts, options);
    },
    async rename(from, to, options) {
      await refuse(to);
      await nodeDisk.rename(from, to, options);
    },
    async remove(path) {
      await refuse(path);
      await nodeDisk.remove(path);
    },
    async createLog(path) {
      await refuse(path);
      const file = await nodeDisk.createLog(path);
      return {
        ...file,
        async write(bytes, position) {
          await refuse(path);
          await file.write(bytes, position);
        },
      };
    },
    transaction(database, work) {
      database.exec(`PRAGMA query_only = ${state.frozen ? "ON" : "OFF"}`);
      nodeDisk.transaction(database, work);
    },
  };
  return { disk, state };
}

const job = makeJob({ size: 2000, stop: { rounds: 8 } });

async function undisturbed(): Promise<Float32Array> {
  const run = await startRun({ job });
  run.join();
  return (await run.coordinator.finished).weights;
}

/** Until something is so; time passes while the disk is waited for. */
async function pass(run: TestRun, condition: () => boolean, what: string): Promise<void> {
  const startedMs = performance.now();
  while (!condition()) {
    if (performance.now() - startedMs > 15_000) throw new Error(`${what} did not happen`);
    if (run.coordinator.report().phase === "waiting for disk") await run.clock.advance(250);
    await turns(2);
  }
}

describe("a disk that fills up", () => {
  it.each<{ operations: readonly Operation[] }>([
    { operations: ["log"] },
    { operations: ["transaction"] },
    { operations: ["log", "transaction", "write", "createLog"] },
  ])("for $operations makes the round wait, says so, and loses nothing once there is room", async ({ operations }) => {
    const directory = freshDirectory();
    const { disk, full } = fillableDisk();
    const run = await startRun({ job, store: { directory, disk, checkpoint: { everyRounds: 3 } } });
    run.coordinator.on((event) => {
      if (event.event === "round" && event.round === 4) for (const operation of operations) full.add(operation);
    });
    const worker = run.join();
    await pass(run, () => run.of("waitingForDisk").length > 3, "waiting");
    expect(run.coordinator.report()).toMatchObject({
      phase: "waiting for disk",
      detail: "the disk is full; make room",
      version: 4,
    });
    const waits = run.of("waitingForDisk").map(({ retryInMs }) => retryInMs);
    expect(waits.slice(0, 4)).toEqual([500, 1000, 2000, 4000]);
    // A worker that comes meanwhile is let in; its identity is owed to the disk.
    const late = run.join();
    await until(() => run.of("workerJoined").length === 2);
    full.clear();
    await pass(run, () => run.of("finished").length === 1, "the end");
    expect(run.of("diskIsBack")).toHaveLength(1);
    expect(run.of("round").map(({ round }) => round)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(late.of("finished")).toHaveLength(1);
    expect(worker.of("finished")).toHaveLength(1);
    const stored = await loadVersion(directory, run.coordinator.run);
    expect(stored).toMatchObject({ version: 8, warnings: [] });
    expect(stored.weights).toEqual((await run.coordinator.finished).weights);
    expect(run.clock.pending).toBe(0);
  });

  it("in the middle of a round's log, the bits are those of a run that was never disturbed", async () => {
    const { disk, full } = fillableDisk();
    const run = await startRun({ job, store: { directory: freshDirectory(), disk, checkpoint: { everyRounds: 3 } } });
    run.coordinator.on((event) => {
      if (event.event === "round" && event.round % 2 === 0) full.add("log");
      if (event.event === "waitingForDisk") full.clear();
    });
    run.join();
    await pass(run, () => run.of("finished").length === 1, "the end");
    expect(run.of("diskIsBack").length).toBe(3);
    expect((await run.coordinator.finished).weights).toEqual(await undisturbed());
  });

  it("for checkpoints alone does not make rounds wait: they are tried again, and the log leads to every version", async () => {
    const directory = freshDirectory();
    const { disk, full } = fillableDisk();
    const run = await startRun({ job, store: { directory, disk, checkpoint: { everyRounds: 2 } } });
    full.add("write");
    run.coordinator.on((event) => {
      if (event.event === "round" && event.round === 7) full.clear();
    });
    run.join();
    await pass(run, () => run.of("finished").length === 1, "the end");
    expect(run.of("checkpointPostponed")[0]).toMatchObject({ version: 2, reason: "the disk is full; make room" });
    expect(run.of("waitingForDisk")).toEqual([]);
    const between = await loadVersion(directory, run.coordinator.run, 6);
    expect(between).toMatchObject({ version: 6, warnings: [] });
    expect((await loadVersion(directory, run.coordinator.run)).weights).toEqual(await undisturbed());
  });

  it("may be given up on: the run that was aborted is resumed where it stood", async () => {
    const directory = freshDirectory();
    const { disk, full } = fillableDisk();
    const first = await startRun({ job, store: { directory, disk } });
    first.coordinator.on((event) => {
      if (event.event === "round" && event.round === 4) full.add("transaction");
    });
    const worker = first.join();
    await pass(first, () => first.of("waitingForDisk").length > 0, "waiting");
    await first.coordinator.abort();
    const second = await startRun({ job: undefined, store: { directory, resume: first.coordinator.run } });
    expect(second.of("recovered")).toMatchObject([{ version: 4, warnings: [] }]);
    second.join({ resume: worker.resume });
    expect((await second.coordinator.finished).weights).toEqual(await undisturbed());
    await turns(2);
    expect(first.clock.pending).toBe(0);
  });
});

describe("a disk that turns read-only", () => {
  it.each([1, 3, 20])(
    "makes rounds wait, says so, and loses nothing once it is writable (a version every %i rounds)",
    async (everyRounds) => {
      const directory = freshDirectory();
      const { disk, state } = freezableDisk();
      const run = await startRun({ job, store: { directory, disk, checkpoint: { everyRounds } } });
      run.coordinator.on((event) => {
        if (event.event === "round" && event.round === 4) state.frozen = true;
      });
      const worker = run.join();
      await pass(run, () => run.of("waitingForDisk").length > 3, "waiting");
      const { phase, detail } = run.coordinator.report();
      expect([phase, detail]).toEqual(["waiting for disk", expect.stringMatching(/read-only; make it writable/)]);
      state.frozen = false;
      await pass(run, () => run.of("finished").length === 1, "the end");
      expect(run.of("diskIsBack")).toHaveLength(1);
      expect(worker.of("finished")).toHaveLength(1);
      const { weights } = await run.coordinator.finished;
      expect(weights).toEqual(await undisturbed());
      expect(await loadVersion(directory, run.coordinator.run)).toMatchObject({ version: 8, weights, warnings: [] });
      expect(run.clock.pending).toBe(0);
    },
  );

  it("before a run begins refuses to begin it, with a reason", async () => {
    const { disk, state } = freezableDisk();
    state.frozen = true;
    await expect(startRun({ job, store: { directory: freshDirectory(), disk } })).rejects.toThrow(
      /: the file system is read-only; make it writable, or choose another runs directory/,
    );
  });
});

describe("what an operator says while the disk is full", () => {
  const words = {
    change: (run: Coordinator) => {
      run.change({ learningRate: 0.5, quorum: { count: 1 } });
    },
    pause: (run: Coordinator) => {
      run.pause();
    },
  };
  const standing = (run: TestRun) => ({
    changes: run.coordinator.report().changes,
    told: run.of("changed").length + run.of("paused").length,
  });
  const untouched = { changes: {}, told: 0 };
  const disks = {
    "that is full": () => {
      const { disk, full } = fillableDisk();
      return { disk, shut: () => full.add("transaction"), open: () => full.clear() };
    },
    "that is read-only": () => {
      const { disk, state } = freezableDisk();
      return { disk, shut: () => (state.frozen = true), open: () => (state.frozen = false) };
    },
  };

  it.each(Object.entries(disks))(
    "%s is refused with a remedy, and holds neither now nor after a kill",
    async (_, made) => {
      const directory = freshDirectory();
      const { disk, shut } = made();
      const run = await startRun({ job, store: { directory, disk } });
      shut();
      expect(() => {
        words.change(run.coordinator);
      }).toThrow(/^change: refused, .* nothing has changed \(.*(make room|make it writable).*, then ask again\)$/);
      expect(() => {
        words.pause(run.coordinator);
      }).toThrow(/^pause: refused/);
      expect(standing(run)).toEqual(untouched);
      await run.coordinator.abort();
      const again = await startRun({ job: undefined, store: { directory, resume: run.coordinator.run } });
      expect(again.of("recovered")).toMatchObject([{ warnings: [] }]);
      expect(standing(again)).toEqual(untouched);
      again.join();
      expect((await again.coordinator.finished).weights).toEqual(await undisturbed());
    },
  );

  it.each(Object.entries(disks))(
    "%s is taken once there is room, and holds after a kill at that instant",
    async (_, made) => {
      const directory = freshDirectory();
      const { disk, shut, open } = made();
      const run = await startRun({ job, store: { directory, disk } });
      shut();
      expect(() => {
        words.change(run.coordinator);
      }).toThrow(/refused/);
      open();
      words.change(run.coordinator);
      words.pause(run.coordinator);
      expect(standing(run)).toEqual({ changes: { learningRate: 0.5, quorum: { count: 1 } }, told: 2 });
      // Nothing is written from here on: what was answered is there already.
      shut();
      await run.coordinator.abort();
      const again = await startRun({ job: undefined, store: { directory, resume: run.coordinator.run } });
      const { changes, phase } = again.coordinator.report();
      expect([changes, phase]).toEqual([{ learningRate: 0.5, quorum: { count: 1 } }, "paused"]);
      again.coordinator.unpause();
      await again.coordinator.abort();
      const third = await startRun({ job: undefined, store: { directory, resume: run.coordinator.run } });
      expect(third.coordinator.report()).toMatchObject({ changes, phase: "gathering" });
      await third.coordinator.abort();
    },
  );

  it("keeps a run from beginning that is to begin with a change, and lets go of it", async () => {
    const directory = freshDirectory();
    const { disk, full } = fillableDisk();
    const filling: Disk = {
      ...disk,
      transaction(database, work) {
        disk.transaction(database, work);
        // Version 0 is the last thing for which there is room.
        if (database.prepare("SELECT 1 FROM checkpoints").get() !== undefined) full.add("transaction");
      },
    };
    const start = startRun({ job, store: { directory, disk: filling }, run: { changes: { learningRate: 0.5 } } });
    await expect(start).rejects.toThrow(/^change: refused/);
    expect(listRuns(directory)).toMatchObject([{ status: "interrupted", rounds: 0 }]);
  });

  it("is taken where it changes nothing: a paused run that is paused again", async () => {
    const { disk, full } = fillableDisk();
    const run = await startRun({ job, store: { directory: freshDirectory(), disk } });
    run.coordinator.pause();
    full.add("transaction");
    run.coordinator.pause();
    expect(() => {
      run.coordinator.unpause();
    }).toThrow(/^unpause: refused/);
    expect(run.coordinator.report().phase).toBe("paused");
    await run.coordinator.abort();
  });

  it("is an error 503 of the HTTP API that names the remedy; an abort is taken even then, and is over once there is room", async () => {
    const { disk, full } = fillableDisk();
    const directory = freshDirectory();
    const host = await createHost({ listen: { port: 0, tokens: [{ token: "steering", role: "operator" }] } });
    const run = await host.add({ job, examples, store: { directory, disk } });
    const ask = async (method: string, path: string, body?: string) => {
      const url = `${host.url.replace(/^ws/, "http")}/api/runs/${run.run}${path}`;
      const answer = await fetch(url, {
        method,
        ...(body ? { body } : {}),
        headers: { authorization: "Bearer steering" },
      });
      return { status: answer.status, body: (await answer.json()) as unknown };
    };
    full.add("transaction");
    const refusal = {
      code: "disk",
      message: expect.stringMatching(/nothing has changed \(.*make room, then ask again/) as string,
    };
    expect(await ask("PATCH", "", '{"quorum": {"count": 1}}')).toEqual({ status: 503, body: { error: refusal } });
    expect(await ask("POST", "/pause")).toEqual({ status: 503, body: { error: refusal } });
    expect(await ask("GET", "")).toMatchObject({ status: 200, body: { phase: "gathering", changes: {} } });
    expect((await ask("POST", "/abort")).status).toBe(202);
    await until(() => run.report().phase === "waiting for disk");
    expect(await ask("POST", "/pause")).toMatchObject({ status: 409, body: { error: { code: "ended" } } });
    full.clear();
    expect(await run.finished).toMatchObject({ reason: "stopped" });
    await host.close();
    expect(listRuns(directory)).toMatchObject([{ status: "stopped", detail: "aborted by an operator" }]);
  });

  it("and an abort that was taken with room on the disk is written when it is answered", async () => {
    const directory = freshDirectory();
    const run = await startRun({ job, store: { directory } });
    const ended = run.coordinator.stop("enough");
    const database = openDatabase(run.coordinator.directory!, "read");
    expect(database.meta()).toMatchObject({ status: "stopped", detail: "enough" });
    database.close();
    await ended;
  });
});

it("blocks of uploads beyond the budget stay in memory where the disk for them has no room", () => {
  const before = process.env["TMPDIR"];
  process.env["TMPDIR"] = "/proc";
  try {
    const keep = new Keep(new KeepBudget(10));
    for (let i = 0; i < 5; i++) keep.push(new Uint8Array(6).fill(i));
    expect(Array.from({ length: 5 }, (_, i) => keep.at(i)[5])).toEqual([0, 1, 2, 3, 4]);
    keep.release();
  } finally {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
  }
});
