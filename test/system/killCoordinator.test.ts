/** Promise 4: `kill -9` of the coordinator in the middle of a round changes nothing of the finished run. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { killedRun } from "../support/killedRun.ts";
import { killAll } from "../support/weftProcess.ts";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "weft-"));
});

afterEach(async () => {
  await killAll();
  await rm(directory, { recursive: true });
});

test("a run whose coordinator is killed twice mid-round ends in the same bits as an undisturbed one", async () => {
  const undisturbed = await killedRun(directory, []);
  expect(undisturbed.exits).toEqual([0, 0, 0]);
  expect(undisturbed.weights.length).toBe(4);
  const killed = await killedRun(directory, [40, 130]);
  expect(killed.exits).toEqual([0, 0, 0]);
  expect(killed.disconnections).toBeGreaterThan(0);
  expect(killed.weights).toEqual(undisturbed.weights);
});
