/** Promise 4 over and over: ten kills in one run. */
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

test("a run whose coordinator is killed ten times ends in the same bits as an undisturbed one", async () => {
  const undisturbed = await killedRun(directory, []);
  expect(undisturbed.exits).toEqual([0, 0, 0]);
  expect(undisturbed.weights.length).toBe(4);
  const killed = await killedRun(
    directory,
    Array.from({ length: 10 }, (_, i) => 30 + 35 * i),
  );
  expect(killed.exits).toEqual([0, 0, 0]);
  expect(killed.disconnections).toBeGreaterThanOrEqual(10);
  expect(killed.weights).toEqual(undisturbed.weights);
});
