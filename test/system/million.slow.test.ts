/** A million registered workers, a hundred of them called each round, in one process of `weft simulate`. */
import { expect, test } from "vitest";
import { simulateCrowd } from "../support/simulatedMillion.ts";

test("a million workers of whom a hundred have something to do take less than 1 GB", async () => {
  const { peakBytes, finished } = await simulateCrowd(1_000_000, 2);
  expect(finished).toMatchObject({ reason: "rounds", rounds: 20 });
  expect(peakBytes).toBeLessThan(1e9);
});
