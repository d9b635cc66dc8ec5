/** Mutated frames beside honest workers; a hundred thousand of them in the slow suite. */
import { expect, test } from "vitest";
import { amongInsiders, amongStrangers } from "./mutatedFrames.ts";

test("a thousand mutated frames of strangers change no bit of a run", async () => {
  const { weights, codes } = await amongStrangers(1000);
  expect(codes).toEqual([1002, 1003, 1008, 1009]);
  expect(weights).toEqual((await amongStrangers(0)).weights);
});

test("rounds go on among five hundred workers that send mutated updates", async () => {
  expect(await amongInsiders(500)).toBeGreaterThanOrEqual(5);
});
