/** The proof at length. SEED=n begins elsewhere. */
import { expect, test } from "vitest";
import { prove } from "@weft/simulator";

const firstSeed = Number(process.env["SEED"] ?? 1_000_000);

test("10,000 schedules of faults keep every promise", async () => {
  const startedMs = performance.now();
  const { failure, ...proof } = await prove({ firstSeed, count: 10_000 });
  console.log(JSON.stringify({ ...proof, seconds: Math.round((performance.now() - startedMs) / 1000) }));
  expect(failure?.text).toBeUndefined();
});
