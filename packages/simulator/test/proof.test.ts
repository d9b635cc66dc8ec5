/** The proof, in brief: the slow suite plays twenty times as many schedules. */
import { expect, test } from "vitest";
import { drawSchedule, play, prove, type Schedule, scheduleText, shorten } from "@weft/simulator";
import { type Mutation, mutations } from "./mutations.ts";

test("500 schedules of faults keep every promise", { timeout: 120_000 }, async () => {
  const proof = await prove({ firstSeed: 1, count: 500 });
  expect(proof.failure?.text).toBeUndefined();
  expect(Object.keys(proof.faults).length).toBe(20);
  expect(proof.restarts).toBeGreaterThan(20);
});

/** Names of the values that an object's fields have, those of objects in it included. */
function valuesIn(value: unknown, name = ""): string[] {
  if (typeof value !== "object" || value === null) return [typeof value === "string" ? `${name}: ${value}` : name];
  return Object.entries(value).flatMap(([field, inner]) => valuesIn(inner, name === "" ? field : `${name}.${field}`));
}

test("among them every rule that a job's round may have is met", () => {
  const jobs = Array.from({ length: 500 }, (_, i) => drawSchedule(1 + i)).map(({ job }) => job);
  const met = new Set(jobs.flatMap((job) => valuesIn(job)));
  const expected = [
    ...["work.kind: gradient", "work.microBatch", "work.epochs", "work.steps", "work.keepOptimizer", "work.proximal"],
    ...["work.correction.kind: scaffold", "work.correction.kind: feddyn", "work.optimizer.momentum"],
    ...["work.streaming.fragments", "work.streaming.mixing", "pace.kind: buffered", "pace.maxStaleness"],
    ...["pace.staleness.kind: polynomial", "cohort.fraction", "cohort.count", "cohort.overSelect"],
    ...["examples", "availability", "loss", "speed"].map((by) => `cohort.sampling: ${by}`),
    ...["cohort.fairness.maxShare", "cohort.fairness.maxWait", "quorum.fraction", "quorum.count"],
    ...[
      "deadlineMs",
      "deadlineMs: adaptive",
      "deadlineMs.deviations",
      "late: buffer",
      "late: refuse",
      "balance: speed",
    ],
    ...["weighting: examples", "weighting: uniform", "weighting.kind: normalized", "weighting.kind: fair"],
    ...["combine.kind: median", "combine.kind: trimmedMean", "server.momentum", "server.nesterov", "server.name: adam"],
    ...["evaluation.on: coordinator", "evaluation.on: workers", "evaluation.cohort.fraction"],
    ...["evaluation.quorum.fraction", "evaluation.deadlineMs", "evaluation.heldOut"],
  ].map((name) => `round.${name}`);
  const codecs = ["f32", "f16", "bf16", "int8", "int4", "int2", "sign", "topK", "randomK", "lowRank"];
  expected.push(...codecs.map((kind) => `codec.up.kind: ${kind}`), "model: statistic", "model: personal");
  expected.push(...codecs.slice(0, 5).map((kind) => `codec.down.kind: ${kind}`));
  expect(expected.filter((name) => !met.has(name))).toEqual([]);
  expect(jobs.some(({ examples }) => examples === 0)).toBe(true);
});

/** The first schedule by seed that is broken under a mistake, of those in which it can be noticed. */
async function found({ rules, where = () => true }: Mutation, isOfUse: (schedule: Schedule) => boolean = () => true) {
  for (let seed = 1, played = 0; played < 400 && seed < 20_000; seed++) {
    const schedule = drawSchedule(seed);
    if (!where(schedule) || !isOfUse(schedule)) continue;
    played += 1;
    if ((await play(schedule, rules())).broken !== undefined) return schedule;
  }
  return undefined;
}

test.each(Object.keys(mutations))("a planted mistake is found: %s", { timeout: 120_000 }, async (name) => {
  const schedule = await found(mutations[name]!);
  expect(schedule).toBeDefined();
  expect((await play(schedule!)).broken).toBeUndefined();
});

test(
  "a failing schedule is shortened to the faults and rules that it takes, and printed",
  { timeout: 60_000 },
  async () => {
    const { rules } = mutations["an upload that broke off stays in the sums"]!;
    const schedule = await found({ rules }, ({ faults, job }) => faults.length >= 4 && job.codec.up.kind !== "f32");
    const { shortest, text } = await shorten(schedule!, rules);
    expect(shortest.faults.length).toBeLessThan(3);
    expect(shortest.job.codec).toEqual({ up: { kind: "f32" }, down: { kind: "f32" } });
    expect((await play(shortest, rules())).broken).toBeDefined();
    expect(text).toContain(`seed ${schedule!.seed}`);
    expect(text).toContain(scheduleText(shortest));
  },
);

test("a seed plays the same way every time", async () => {
  // Identities are drawn from the system's randomness, and what writing takes is measured; nothing else is.
  const named = (trace: readonly string[]) =>
    trace.map((line) =>
      line.replaceAll(/[0-9a-f]{12}|this is run [0-9a-f]{6}|"run":"[0-9a-f]{6}"|"path":"[^"]*"(,"ms":[0-9.]+)?/g, "…"),
    );
  for (let seed = 30; seed < 60; seed++) {
    const [first, second] = [await play(drawSchedule(seed)), await play(drawSchedule(seed))];
    expect(named(first.trace)).toEqual(named(second.trace));
    expect(first.endedMs).toBe(second.endedMs);
  }
});
