/** Promise 4 over and over: ten kills in one run. */
import { expect, test } from "vitest";
import { expectSameBits } from "../support/killedRun.ts";
import { useDirectory } from "../support/useDirectory.ts";

const directory = useDirectory();

test("a run whose coordinator is killed ten times ends in the same bits as an undisturbed one", async () => {
  const kills = Array.from({ length: 10 }, (_, i) => 30 + 35 * i);
  expect(await expectSameBits(directory(), kills)).toBeGreaterThanOrEqual(10);
});
