/** Bytes of a stored run that are not what was written: gone round with a warning that names them, never believed. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadVersion } from "../src/store/loadVersion.ts";
import { openRun } from "../src/store/runs.ts";
import { hashOf, interrupted as interruptedRun, liveFirst, liveOn, resume, rounds } from "./storedLife.ts";

const root = mkdtempSync(join(tmpdir(), "weft-damage-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const freshDirectory = () => join(root, String(folders++));

async function interrupted(): Promise<string> {
  const to = freshDirectory();
  await interruptedRun(freshDirectory(), to);
  return to;
}

/** Changes one bit of a file. */
function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at < 0 ? bytes.length + at : at]! ^= 1;
  writeFileSync(path, bytes);
}

const inRun = (directory: string, file: string) => join(directory, "abc123", file);

/** Goes on to the end; the bits of the finished model. */
async function finish(directory: string): Promise<string> {
  const { model, resumed } = await resume(directory);
  await liveOn(resumed.store, model, { from: resumed.version + 1 });
  return hashOf(model);
}

let undisturbed = "";
beforeAll(async () => {
  undisturbed = hashOf(await liveFirst({ directory: freshDirectory() }));
});

describe("a flipped bit", () => {
  it.each(["version-000006.safetensors", "state-000006.safetensors"])(
    "of the newest version (%s) is gone round by the version before and the logs since",
    async (file) => {
      const directory = await interrupted();
      flip(inRun(directory, file), -5);
      const loaded = await loadVersion(directory, "abc123");
      expect(loaded).toMatchObject({ version: rounds, checkpoint: 3 });
      expect(loaded.warnings.join()).toMatch(`checkpoint 6 is damaged and passed over: ${inRun(directory, file)}`);
      const { model, resumed } = await resume(directory);
      expect(resumed).toMatchObject({ version: rounds, checkpoint: 3 });
      expect(resumed.warnings.join()).toMatch(/checkpoint 6 is damaged.*SHA-256/);
      expect(hashOf(model)).toBe(undisturbed);
      await resumed.store.close();
    },
  );

  it("that makes the log lose exactly the last committed round is told of, and what is done: it is run again", async () => {
    const directory = await interrupted();
    const log = inRun(directory, "rounds-000006.log");
    truncateSync(log, statSync(log).size - 20);
    const { model, resumed } = await resume(directory);
    expect(resumed.version).toBe(6);
    expect(resumed.warnings).toEqual([
      expect.stringContaining("rounds-000006.log: damaged, cut off or missing after round 6"),
      "rounds after 6 cannot be restored and are run again",
    ]);
    await liveOn(resumed.store, model, { from: 7 });
    expect(hashOf(model)).toBe(undisturbed);
  });

  it("that makes the database forget the last committed round is told of: the log knows that it was committed", async () => {
    const directory = await interrupted();
    const database = new DatabaseSync(inRun(directory, "run.sqlite"));
    database.exec("DELETE FROM rounds WHERE round = 7");
    database.close();
    const { model, resumed } = await resume(directory);
    expect(resumed.version).toBe(6);
    expect(resumed.warnings).toEqual([
      "run.sqlite: has no record of round 7, which rounds-000006.log says was committed; run again from there",
    ]);
    await liveOn(resumed.store, model, { from: 7 });
    expect(hashOf(model)).toBe(undisturbed);
  });

  it("of an older version is nobody's loss while the newest is whole, and is found when it is needed", async () => {
    const directory = await interrupted();
    flip(inRun(directory, "version-000003.safetensors"), -5);
    expect(await loadVersion(directory, "abc123")).toMatchObject({ version: rounds, warnings: [] });
    flip(inRun(directory, "version-000006.safetensors"), -5);
    const { model, resumed } = await resume(directory);
    expect(resumed).toMatchObject({ version: 0, checkpoint: 0 });
    expect(resumed.warnings.join()).toMatch(/version-000006.*version-000003.*rounds after 0 .* are run again/);
    await liveOn(resumed.store, model, { from: 1 });
    expect(hashOf(model)).toBe(undisturbed);
  });

  it.each([
    ["head", 5],
    ["update", 4000],
    ["checksum", -47],
    ["hash", -11],
  ])("of the log (its %s) costs the rounds after it, which are run again, and names the file", async (_, at) => {
    const directory = await interrupted();
    flip(inRun(directory, "rounds-000006.log"), at);
    const { model, resumed } = await resume(directory);
    expect(resumed.version).toBe(6);
    expect(resumed.warnings.join()).toContain("rounds-000006.log: damaged, cut off or missing after round 6");
    expect(resumed.warnings.join()).toContain("rounds after 6 cannot be restored and are run again");
    expect(resumed.last?.version).toBe(6);
    await liveOn(resumed.store, model, { from: 7 });
    expect(hashOf(model)).toBe(undisturbed);
  });

  it.each([
    ["of the newest round", "UPDATE rounds SET progress = replace(progress, '84', '85') WHERE round = 7", 6],
    ["of the round of the newest version", "UPDATE rounds SET examples = 13 WHERE round = 6", 7],
    ["of an old round", "UPDATE rounds SET hash = 'a' || substr(hash, 2) WHERE round = 2", 7],
    ["of the newest version", "UPDATE checkpoints SET flushed = 1 - flushed WHERE version = 6", 7],
    ["of the run itself", "UPDATE meta SET value = replace(value, 'test', 'tast')", 7],
  ])("in the record %s is not believed: the run ends in the same bits", async (_, change, version) => {
    const directory = await interrupted();
    const database = new DatabaseSync(inRun(directory, "run.sqlite"));
    database.exec(change);
    database.close();
    const { model, resumed } = await resume(directory);
    expect(resumed.version).toBe(version);
    expect(resumed.warnings.join("; ")).toContain("run.sqlite: the record");
    await liveOn(resumed.store, model, { from: version + 1 });
    expect(hashOf(model)).toBe(undisturbed);
    const { summary, rounds: records } = openRun(directory, "abc123");
    expect(summary.name).toBe("test");
    expect(records.at(-1)?.version).toBe(rounds);
  });

  it("anywhere in the database changes no bit of the finished run, and no record that is believed", async () => {
    await anywhereInDatabase(await interrupted(), { trials: 24 });
  });
});

describe("a database", () => {
  it("that is none any more is set aside, and the run goes on from the notes beside its versions", async () => {
    const directory = await interrupted();
    for (const suffix of ["", "-wal", "-shm"]) rmSync(inRun(directory, `run.sqlite${suffix}`), { force: true });
    writeFileSync(inRun(directory, "run.sqlite"), "not a database, at least not in the way that is needed here");
    const { resumed } = await resume(directory);
    expect(resumed).toMatchObject({ version: 6, checkpoint: 6 });
    expect(resumed.last).toMatchObject({ version: 6, examples: 12 });
    expect(resumed.warnings.join()).toMatch(/run\.sqlite: not readable.*set aside as run\.sqlite\.damaged.*version 6/);
    await resumed.store.close();
    expect(existsSync(inRun(directory, "run.sqlite.damaged"))).toBe(true);
    expect(await finish(directory)).toBe(undisturbed);
  });

  it("that cannot be opened for another reason is left as it is", async () => {
    const directory = await interrupted();
    rmSync(inRun(directory, "run.sqlite"));
    mkdirSync(inRun(directory, "run.sqlite"));
    await expect(resume(directory)).rejects.toThrow(/run\.sqlite: not readable.*its directory must be writable/);
    expect(existsSync(inRun(directory, "run.sqlite.damaged"))).toBe(false);
  });

  it("of a run that was made before its rows had checksums is read, and gets them from then on", async () => {
    const directory = await interrupted();
    const database = new DatabaseSync(inRun(directory, "run.sqlite"));
    for (const table of ["meta", "rounds", "checkpoints", "workers"]) {
      database.exec(`ALTER TABLE ${table} DROP COLUMN crc`);
    }
    database.close();
    expect(await loadVersion(directory, "abc123")).toMatchObject({ version: rounds, warnings: [] });
    const { model, resumed } = await resume(directory);
    expect(resumed).toMatchObject({ version: rounds, warnings: [] });
    expect(hashOf(model)).toBe(undisturbed);
    await resumed.store.close();
  });
});

it("damage of every checkpoint is an error that names the files", async () => {
  const directory = await interrupted();
  for (const file of readdirSync(join(directory, "abc123"))) {
    if (file.startsWith("state-")) truncateSync(inRun(directory, file), 20);
  }
  await expect(resume(directory)).rejects.toThrow(/none of 3 checkpoints is whole: .*state-000006/);
});

/** Flips bits spread over the database, whose pages lie in its main file or still in its log, and goes on each time. */
async function anywhereInDatabase(from: string, { trials }: { readonly trials: number }): Promise<void> {
  const written = new Map(openRun(from, "abc123").rounds.map((record) => [record.version, record]));
  let found = 0;
  for (let trial = 0; trial < trials; trial++) {
    const directory = freshDirectory();
    cpSync(from, directory, { recursive: true });
    if (trial % 2 === 0) new DatabaseSync(inRun(directory, "run.sqlite")).close();
    const file = inRun(directory, trial % 2 === 0 ? "run.sqlite" : "run.sqlite-wal");
    flip(file, Math.floor((statSync(file).size * (trial + 0.5)) / trials));
    const { model, resumed } = await resume(directory);
    found += Number(resumed.warnings.length > 0);
    expect(resumed.last, `trial ${trial}`).toEqual(written.get(resumed.version));
    await liveOn(resumed.store, model, { from: resumed.version + 1 });
    expect(hashOf(model), `trial ${trial}`).toBe(undisturbed);
  }
  // Of a database most bytes are room that nothing lies in.
  expect(found).toBeGreaterThan(trials / 8);
}
