/** Runs on disk: killed at any step, listed, loaded. */
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Disk } from "../src/disk.ts";
import { createRun } from "../src/store/createRun.ts";
import { nodeDisk } from "../src/store/nodeDisk.ts";
import { loadVersion } from "../src/store/loadVersion.ts";
import { listRuns, openRun } from "../src/store/runs.ts";
import {
  checkpoint,
  hashOf,
  job,
  liveFirst,
  liveOn,
  manifest,
  newModel,
  resume,
  rounds,
  streamedJob,
} from "./storedLife.ts";

const root = mkdtempSync(join(tmpdir(), "weft-store-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const freshDirectory = () => join(root, String(folders++));

class Killed extends Error {}

/**
 * A disk that dies at its n-th operation: before it, or with half of its bytes written. The directory is copied as it lies
 * at that instant, which is what a killed process leaves.
 */
function dyingDisk(killAt: number, half: boolean, image: { from: string; to: string }): Disk & { operations: number } {
  let dead = false;
  const die = (): never => {
    if (!dead) cpSync(image.from, image.to, { recursive: true });
    dead = true;
    throw new Killed();
  };
  const turn = (): boolean => {
    if (dead) throw new Killed();
    return ++disk.operations === killAt;
  };
  const disk: Disk & { operations: number } = {
    operations: 0,
    async write(path, parts, options) {
      if (turn()) {
        if (half) await nodeDisk.write(path, [parts[0]!.subarray(0, parts[0]!.length / 2)], options);
        die();
      }
      await nodeDisk.write(path, parts, options);
    },
    async rename(from, to, options) {
      if (turn()) die();
      await nodeDisk.rename(from, to, options);
    },
    async remove(path) {
      if (turn()) die();
      await nodeDisk.remove(path);
    },
    async createLog(path) {
      if (turn()) die();
      const file = await nodeDisk.createLog(path);
      return {
        ...file,
        async write(bytes, position) {
          if (turn()) {
            if (half) await file.write(bytes.subarray(0, bytes.length / 2), position);
            die();
          }
          await file.write(bytes, position);
        },
      };
    },
    transaction(database, work) {
      if (turn()) die();
      nodeDisk.transaction(database, work);
    },
  };
  return disk;
}

describe.each([
  ["", false],
  [" of a run that streams", true],
])("a kill at any step of writing%s", (_, streams) => {
  it("loses no committed round, and the finished run has the same bits as an undisturbed one", async () => {
    const undisturbed = hashOf(await liveFirst({ directory: freshDirectory(), streams }));
    let survived = 0;
    for (let killAt = 1, finished = false; !finished; killAt++) {
      for (const half of streams ? [true] : [false, true]) {
        const from = freshDirectory();
        const to = freshDirectory();
        const disk = dyingDisk(killAt, half, { from, to });
        let committed = 0;
        try {
          await liveFirst({ directory: from, disk, streams, onCommitted: (version) => (committed = version) });
          finished = true;
          break;
        } catch (error) {
          if (!(error instanceof Killed)) throw error;
        }
        if (listRuns(to)[0]?.version === undefined) {
          // Killed before version 0 was whole: there is nothing to lose yet.
          expect(committed).toBe(0);
          continue;
        }
        const { model, resumed } = await resume(to, streams);
        expect(resumed.version).toBeGreaterThanOrEqual(committed);
        expect(resumed.version).toBeLessThanOrEqual(committed + 1);
        expect(resumed.warnings).toEqual([]);
        await liveOn(resumed.store, model, { from: resumed.version + 1 });
        expect(hashOf(model)).toBe(undisturbed);
        expect(openRun(to, "abc123").rounds.map(({ version }) => version)).toEqual([1, 2, 3, 4, 5, 6, 7]);
        survived += 1;
      }
    }
    expect(survived).toBeGreaterThan(streams ? 40 : 80);
  }, 120_000);
});

describe("stored runs", () => {
  it.each([
    ["", false],
    [" of fragments", true],
  ])("that were killed give the newest committed version, and any between, from the log%s", async (_, streams) => {
    const weights = new Map<number, Float32Array>();
    const directory = freshDirectory();
    const killed = freshDirectory();
    const model = await newModel(streams);
    const about = { run: "abc123", name: "test", job: streams ? streamedJob : job, manifest };
    const store = await createRun({ directory, checkpoint }, about);
    await store.checkpoint({ version: 0, weights: model.weights, state: model.state() });
    await liveOn(store, model, {
      from: 1,
      onCommitted: (version) => {
        weights.set(version, model.weights.slice());
        if (version === rounds) cpSync(directory, killed, { recursive: true });
      },
    });
    const newest = await loadVersion(killed, "abc123");
    expect(newest).toMatchObject({ version: rounds, checkpoint: 6, warnings: [] });
    expect(newest.weights).toEqual(weights.get(rounds));
    const between = await loadVersion(killed, "abc123", 5);
    expect(between).toMatchObject({ version: 5, checkpoint: 3 });
    expect(between.weights).toEqual(weights.get(5));
    const { resumed } = await resume(killed, streams);
    expect(resumed.version).toBe(rounds);
    await resumed.store.close();
  });

  it("are listed, opened by prefix, and loaded by version", async () => {
    const directory = freshDirectory();
    const model = await liveFirst({ directory });
    expect(listRuns(directory)).toMatchObject([{ run: "abc123", name: "test", rounds, version: rounds }]);
    expect(openRun(directory, "ab").rounds).toHaveLength(rounds);
    expect(openRun(directory, "ab").job).toEqual(job);
    const newest = await loadVersion(directory, "abc");
    expect(newest).toMatchObject({ version: rounds, run: "abc123" });
    expect(newest.weights).toEqual(model.weights);
    expect((await loadVersion(directory, "abc", 6)).version).toBe(6);
    await expect(loadVersion(directory, "abc", 1)).rejects.toThrow(/keeps versions 7, 6; 1 is not/);
    expect(() => openRun(directory, "zz")).toThrow(/no run zz under .*; there are abc123$/);
    expect(listRuns(join(directory, "absent"))).toEqual([]);
  });

  it("that nobody runs any more are shown as interrupted, and only one coordinator may resume them", async () => {
    const directory = freshDirectory();
    const model = await newModel();
    const store = await createRun({ directory }, { run: "abc123", name: "test", job, manifest });
    await store.checkpoint({ version: 0, weights: model.weights, state: model.state() });
    expect(listRuns(directory)[0]?.status).toBe("running");
    await expect(resume(directory)).rejects.toThrow(/in use by another coordinator/);
    await store.close();
    expect(listRuns(directory)[0]?.status).toBe("interrupted");
  });

  it("keep few checkpoints and no old logs", async () => {
    const directory = freshDirectory();
    await liveFirst({ directory });
    const files = readdirSync(join(directory, "abc123")).filter((file) => /^(version|state|rounds)/.test(file));
    expect(files.sort()).toEqual([
      "rounds-000006.log",
      "rounds-000007.log",
      "state-000006.safetensors",
      "state-000007.safetensors",
      "version-000006.safetensors",
      "version-000007.safetensors",
    ]);
  });

  it("a full disk ends in an error that says so", async () => {
    const directory = freshDirectory();
    const full: Disk = {
      ...nodeDisk,
      write: () => nodeDisk.write("/dev/full", [new Uint8Array(10)], { flush: false }),
    };
    await expect(createRun({ directory, disk: full }, { run: "abc123", name: "test", job, manifest })).rejects.toThrow(
      /the disk is full; make room/,
    );
  });
});
