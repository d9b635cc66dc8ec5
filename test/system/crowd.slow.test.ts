/** Many workers, large models, kills: on live sockets, in processes of their own. */
import { afterEach, expect, test } from "vitest";
import { figure, startCrowd, weatherStorm } from "../support/crowd/crowd.ts";
import { killAllLines } from "../support/crowd/lineProcess.ts";

afterEach(killAllLines);

const megabyte = 1e6;
const slackMB = (64 * 2 ** 20) / megabyte;
/** The final bits of an undisturbed run of one worker; every update of every run here is the same vector. */
async function undisturbed(size: number, rounds: number): Promise<unknown> {
  const crowd = await startCrowd({ size, rounds, workers: 1 });
  const { coordinator } = crowd;
  const worker = await crowd.join(1);
  const finished = await coordinator.until("finished");
  await Promise.all([coordinator.exited, worker.exited]);
  return finished["hash"];
}

test("a thousand workers of whom a twentieth is killed in every round: no round is stuck, nothing lost, memory flat", async () => {
  const [processes, perProcess, rounds] = [20, 50, 50];
  const report = await weatherStorm({ processes, perProcess, rounds });
  const of = (field: string) => report.rounds.map((line) => figure(line, field));
  console.log(
    `${report.rounds.length} rounds, ${report.killed} killed, ${report.joined} joined; updates a round ${Math.min(...of("updates"))} ` +
      `to ${Math.max(...of("updates"))}, slowest round ${Math.max(...of("ms")).toFixed(0)} ms, live memory ${of(
        "liveMB",
      )
        .filter((_, i) => i % 7 === 0)
        .map((mb) => mb.toFixed(0))
        .join(" ")} MB`,
  );
  expect(report.killed).toBe((rounds - 1) * perProcess);
  expect(report.rounds.map((line) => line["round"])).toEqual(Array.from({ length: rounds }, (_, i) => i + 1));
  // Those who were killed are all that is missing; a killed process may take at most its own from a round.
  expect(Math.min(...report.rounds.map((line) => figure(line, "updates") / figure(line, "cohort")))).toBeGreaterThan(
    0.8,
  );
  // Half of the deadline: none was closed by it.
  expect(Math.max(...of("ms"))).toBeLessThan(30_000);
  // Half-counted updates, or one counted twice, would show in the mean of equal vectors.
  expect(report.finished["hash"]).toBe(await undisturbed(2000, rounds));
  // Of what is not garbage. For some hundred versions it is remembered whose updates went into them, and who is gone: that fills up.
  expect(Math.max(...of("liveMB").slice(-10))).toBeLessThan(Math.max(...of("liveMB").slice(5, 15)) + 10);
});

test("a 100 MB model, 20 workers, one of them stalled while it sends: its round closes at the deadline without it, in three times the model and 64 MiB", async () => {
  const [size, rounds] = [25_000_000, 3];
  const idle = await startCrowd({ size: 1000, rounds, workers: 20 });
  const idlers = await idle.join(20);
  const bare = await idle.coordinator.until("finished");
  await Promise.all([idle.coordinator.exited, idlers.exited]);

  // As long as this machine takes for a round without a fault, three times over.
  const calm = await startCrowd({ size, rounds: 1, workers: 19 });
  const calmWorkers = await calm.join(19);
  await calm.coordinator.until("finished");
  await Promise.all([calm.coordinator.exited, calmWorkers.exited]);
  const deadlineMs = 5000 + 3 * Math.ceil(figure(calm.coordinator.of("round")[0]!, "ms"));

  const crowd = await startCrowd({ size, rounds, workers: 20, round: { deadlineMs }, gatherMs: 60_000 });
  const { coordinator } = crowd;
  const stalling = await crowd.join(1, { talkative: true, stallsAfterBytes: 40e6 });
  const rest = await crowd.join(19);
  const finished = await coordinator.until("finished");
  await Promise.all([coordinator.exited, rest.exited, stalling.exited]);
  const [first, ...others] = coordinator.of("round");
  const peakMB = figure(finished, "peakMB") - figure(bare, "peakMB");
  console.log(
    `first round: ${figure(first!, "updates")} of ${figure(first!, "cohort")} updates in ${figure(first!, "ms").toFixed(0)} ms; over a run ` +
      `without a model the process grew to ${peakMB.toFixed(0)} MB`,
  );
  expect([figure(first!, "updates"), figure(first!, "cohort")]).toEqual([19, 20]);
  // It was there to the end: nothing but the deadline closed the round.
  expect(figure(first!, "ms")).toBeGreaterThanOrEqual(deadlineMs);
  expect(figure(first!, "ms")).toBeLessThan(deadlineMs + 10_000);
  expect(first!["workers"]).toBe(20);
  const [verdict] = stalling.of("verdict");
  expect(verdict).toMatchObject({ round: 1, accepted: false });
  // Whether it is invited again or sits out, the others' updates count.
  for (const round of others) expect(figure(round, "updates")).toBe(19);
  expect(finished["reason"]).toBe("rounds");
  expect(peakMB).toBeLessThan(3 * 100 + slackMB);
});
