/** A hundred thousand mutated frames, each over a connection of its own, beside two honest workers. */
import { expect, test } from "vitest";
import { amongInsiders, amongStrangers } from "./mutatedFrames.ts";

test("ninety thousand mutated frames of strangers change no bit of a run, and are refused for every reason", async () => {
  const { weights, codes } = await amongStrangers(90_000);
  expect(codes).toEqual([1002, 1003, 1008, 1009]);
  expect(weights).toEqual((await amongStrangers(0)).weights);
});

test("rounds go on among ten thousand workers that send mutated updates", async () => {
  expect(await amongInsiders(10_000)).toBeGreaterThanOrEqual(100);
});
