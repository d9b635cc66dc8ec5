/** The proof, in brief: the slow suite plays twenty times as many schedules. */
import { expect, test } from "vitest";
import { drawSchedule, play, prove, scheduleText, shorten } from "@weft/simulator";
import { mutations } from "./mutations.ts";

test("500 schedules of faults keep every promise", { timeout: 120_000 }, async () => {
  const proof = await prove({ firstSeed: 1, count: 500 });
  expect(proof.failure?.text).toBeUndefined();
  expect(Object.keys(proof.faults).length).toBe(18);
  expect(proof.restarts).toBeGreaterThan(20);
});

test.each(Object.keys(mutations))("a planted mistake is found: %s", { timeout: 120_000 }, async (name) => {
  const rules = mutations[name]!;
  let found: number | undefined;
  for (let seed = 1; seed <= 400 && found === undefined; seed++) {
    if ((await play(drawSchedule(seed), rules())).broken !== undefined) found = seed;
  }
  expect(found).toBeDefined();
  expect((await play(drawSchedule(found!))).broken).toBeUndefined();
});

test("a failing schedule is shortened to the faults that it takes, and printed", { timeout: 60_000 }, async () => {
  const rules = mutations["an upload that broke off stays in the sums"]!;
  for (let seed = 1; seed <= 400; seed++) {
    const schedule = drawSchedule(seed);
    if (schedule.faults.length < 4 || (await play(schedule, rules())).broken === undefined) continue;
    const { shortest, text } = await shorten(schedule, rules);
    expect(shortest.faults.length).toBeLessThan(3);
    expect((await play(shortest, rules())).broken).toBeDefined();
    expect(text).toContain(`seed ${seed}`);
    expect(text).toContain(scheduleText(shortest));
    return;
  }
  throw new Error("no schedule with several faults failed");
});

test("a seed plays the same way every time", async () => {
  // Identities are drawn from the system's randomness; nothing else is.
  const named = (trace: readonly string[]) =>
    trace.map((line) => line.replaceAll(/[0-9a-f]{12}|"run":"[0-9a-f]{6}"|"path":"[^"]*"/g, "…"));
  for (let seed = 30; seed < 60; seed++) {
    const [first, second] = [await play(drawSchedule(seed)), await play(drawSchedule(seed))];
    expect(named(first.trace)).toEqual(named(second.trace));
    expect(first.endedMs).toBe(second.endedMs);
  }
});
