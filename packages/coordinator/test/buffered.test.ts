/** The buffered pace through the shell: what is folded, discounted, carried over and divided, in real sums. */
import { describe, expect, it } from "vitest";
import type { JobRound } from "@weft/protocol";
import { type FakeWorker, makeJob, startRun, until } from "./harness.ts";

const half = { kind: "polynomial", exponent: 0.5 } as const;
const sgd = { name: "sgd", learningRate: 1 };

const roundOf = (size: number, more: Partial<Extract<JobRound["pace"], { kind: "buffered" }>> = {}) => ({
  pace: { kind: "buffered" as const, size, staleness: half, ...more },
  work: { kind: "gradient" as const, batchSize: 12 },
  server: sgd,
});

const constant = (value: number) => () => new Float32Array(4).fill(value);

async function answerNext(worker: FakeWorker, verdicts: number): Promise<void> {
  await worker.answer(worker.lastWork!);
  await until(() => worker.of("verdict").length === verdicts, "a verdict");
}

describe("a buffered pace", () => {
  it("makes a version of every two updates, old ones discounted, divided by their examples", async () => {
    const job = makeJob({ size: 4, stop: { rounds: 2 }, round: roundOf(2) });
    const run = await startRun({ job, run: { expectedWorkers: 2 } });
    const fast = run.join({ automatic: false, script: constant(1) });
    const slow = run.join({ automatic: false, script: constant(4) });
    await until(() => fast.lastWork !== undefined && slow.lastWork !== undefined);
    const base = (await fast.bases.get(0))!;
    const old = slow.lastWork!;
    // The fast worker makes version 1 alone; the slow one's update then counts one version late.
    await answerNext(fast, 1);
    await until(() => fast.of("work").length === 2, "its next order at once");
    await answerNext(fast, 2);
    await until(() => run.of("round").length === 1);
    await slow.answer(old);
    await until(() => slow.of("verdict").length === 1);
    expect(slow.of("verdict")[0]).toMatchObject({ accepted: true, version: 2 });
    await until(() => fast.lastWork?.version === 1);
    await fast.answer(fast.lastWork!);
    const { weights } = await run.coordinator.finished;
    const discount = Math.round(1024 * 2 ** -0.5) / 1024;
    const expected = base.map((value) => Math.fround(Math.fround(value - 1) - Math.fround((4 * discount + 1) / 2)));
    expect([...weights]).toEqual([...expected]);
    expect(run.of("round").map(({ updates, examples }) => [updates, examples])).toEqual([
      [2, 12],
      [2, 12],
    ]);
  });

  it("of size 1 is asynchronous: every update makes a version, and its worker goes on from it", async () => {
    const job = makeJob({ size: 4, stop: { rounds: 6 }, round: roundOf(1, { staleness: { kind: "constant" } }) });
    const run = await startRun({ job, run: { expectedWorkers: 2 } });
    const workers = [run.join({ script: constant(1) }), run.join({ script: constant(1) })];
    const { weights, rounds } = await run.coordinator.finished;
    const base = (await workers[0]!.bases.get(0))!;
    expect(rounds).toBe(6);
    expect(weights[0]).toBeCloseTo(base[0]! - 6, 4);
    const slices = workers.flatMap((worker) =>
      worker.of("work").flatMap(({ order }) => (order.kind === "gradient" ? [order.examples] : [])),
    );
    const starts = slices.flatMap((slice) => (slice.kind === "slice" ? [`${slice.epoch}/${slice.start}`] : []));
    expect(new Set(starts).size).toBe(starts.length);
  });
});
