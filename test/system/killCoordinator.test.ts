/** Promise 4: `kill -9` of the coordinator in the middle of a round changes nothing of the finished run. */
import { expect, test } from "vitest";
import { expectSameBits } from "../support/killedRun.ts";
import { useDirectory } from "../support/useDirectory.ts";

const directory = useDirectory();

test("a run whose coordinator is killed twice mid-round ends in the same bits as an undisturbed one", async () => {
  expect(await expectSameBits(directory(), [40, 130])).toBeGreaterThan(0);
});
