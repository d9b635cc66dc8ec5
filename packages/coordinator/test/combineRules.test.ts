/** Rules that see a round's updates side by side, over the whole coordinator. */
import type { JobDocument } from "@weft/protocol";
import { describe, expect, it } from "vitest";
import { makeJob, startRun, until } from "./harness.ts";

const size = 140_000;
const round = (changes: Partial<JobDocument["round"]>): Partial<JobDocument["round"]> => ({
  work: { kind: "local", epochs: 1, batchSize: 5, optimizer: { name: "sgd", learningRate: 1 } },
  server: { name: "sgd", learningRate: 1 },
  weighting: "uniform",
  normBound: 1e6,
  ...changes,
});
const rules = {
  median: { kind: "median" },
  "a trimmed mean": { kind: "trimmedMean", fraction: 0.3 },
} as const;

/** The change that a round of these updates makes, at the first and the last element. */
async function changeOf(combine: JobDocument["round"]["combine"], changes: readonly number[], codec = "f32") {
  const job = makeJob({ size, stop: { rounds: 2 }, round: round({ combine }), codec: { up: codec } });
  const run = await startRun({ job, run: { expectedWorkers: changes.length } });
  const workers = changes.map((change) => run.join({ script: () => new Float32Array(size).fill(change) }));
  await until(() => run.of("round").length > 0 || run.of("finished").length > 0);
  const { weights } = await run.coordinator.finished;
  const base = (await workers[0]!.bases.get(1))!;
  return [base[0]! - weights[0]!, base[size - 1]! - weights[size - 1]!].map((change) => Number(change.toFixed(3)));
}

describe.each(Object.entries(rules))("a round combined by %s", (_, combine) => {
  it.each(["f32", "f16", "int8"])("is not moved by one liar among five, its updates coming in %s", async (codec) => {
    for (const lie of [-1000, 1000]) {
      for (const changes of [
        [1, 2, 3, 2, lie],
        [lie, 2, 1, 2, 3],
      ]) {
        const [first, last] = await changeOf(combine, changes, codec);
        expect(first).toBeGreaterThanOrEqual(1);
        expect(first).toBeLessThanOrEqual(3);
        expect(Math.abs(last! - first!)).toBeLessThan(1e-3);
      }
    }
  });

  it("gives everyone one vote, however many examples they have", () => {
    expect(() => makeJob({ round: round({ combine, weighting: "examples" }) })).toThrow(/one vote/);
  });

  it("leaves out an update that was broken off", async () => {
    const job = makeJob({ size, stop: { rounds: 1 }, round: round({ combine }) });
    const run = await startRun({ job, run: { expectedWorkers: 4 } });
    const workers = [5, 5, 5, 900].map((change) =>
      run.join({ automatic: false, script: () => new Float32Array(size).fill(change) }),
    );
    await until(() => workers.every((worker) => worker.lastWork !== undefined));
    workers[3]!.send({ kind: "leave", reason: "enough" });
    for (const worker of workers.slice(0, 3)) await worker.answer(worker.lastWork!);
    const { weights } = await run.coordinator.finished;
    const base = (await workers[0]!.bases.get(0))!;
    expect(weights.every((value, i) => value === Math.fround(base[i]! - 5))).toBe(true);
  });
});
