/** Simulating for research: results that do not depend on this machine, time and bytes by model, workers that come and go. */
import { partitionIid } from "@weft/data";
import { computeHere, plotCurves, simulate, usualMachines, type MachineModel, type Simulation } from "@weft/simulator";
import { setBackend } from "@weft/tensor";
import { createReferenceBackend } from "@weft/tensor/reference";
import { checkJob, createTrainer } from "@weft/worker";
import { beforeAll, expect, test } from "vitest";
import { data, job } from "./line.ts";

beforeAll(() => {
  setBackend(createReferenceBackend());
});

const encoded = job(6);

const iid = (slots: number) => partitionIid(data.size, slots, 1);

async function run(machines: Partial<MachineModel> = {}, workers = 20, partition = iid): Promise<Simulation> {
  const trainer = createTrainer(checkJob(encoded));
  return simulate({
    job: encoded,
    train: data,
    compute: computeHere(trainer, { train: data, test: data }),
    partition,
    workers,
    seed: 4,
    machines: { ...usualMachines, ...machines },
  });
}

test("a simulated job learns, and plays the same way every time", async () => {
  const [first, second] = [await run(), await run()];
  expect(first.outcome.reason).toBe("rounds");
  expect(first.rounds.length).toBe(6);
  expect(first.rounds.at(-1)?.evaluated?.["loss"]).toBeLessThan(0.1);
  expect(second.rounds).toEqual(first.rounds);
  expect(second.outcome.weights).toEqual(first.outcome.weights);
});

test("the speed of machines and lines changes the time, not the model", async () => {
  const [usual, slow] = [await run(), await run({ exampleMs: 10, upBytesPerMs: 0.1, latencyMs: 500, spread: 1 })];
  expect(slow.outcome.weights).toEqual(usual.outcome.weights);
  const time = ({ rounds }: Simulation) => rounds.at(-1)!.timeMs;
  expect(time(slow)).toBeGreaterThan(5 * time(usual));
});

test("a round takes as long as its slowest worker by the model", async () => {
  const { rounds } = await run({ spread: 0, exampleMs: 2, latencyMs: 30, upBytesPerMs: 1, downBytesPerMs: 1e9 });
  // 10 examples, twice, at 2 ms; there and back 30 ms each; an update of 8 bytes at 1 byte a millisecond.
  expect(rounds[1]!.timeMs - rounds[0]!.timeMs).toBeCloseTo(20 * 2 + 60 + 8, 0);
});

test("bytes are counted as they would be on the wire", async () => {
  const { rounds } = await run();
  for (const [i, { bytesUp, bytesDown, updates }] of rounds.entries()) {
    expect(updates).toBe(10);
    const before = rounds[i - 1] ?? { bytesUp: 0, bytesDown: 0 };
    expect(bytesUp - before.bytesUp).toBeGreaterThan(10 * 8);
    expect(bytesDown - before.bytesDown).toBeGreaterThan(10 * 8);
  }
});

test("workers that come and go do not stop the run", async () => {
  const { outcome, rounds } = await run({ availability: 0.6, stayMs: 400, exampleMs: 10 });
  expect(outcome.reason).toBe("rounds");
  expect(rounds.length).toBe(6);
});

test("workers are there when a trace says so, over and over", async () => {
  const nobody = { periodMs: 1000, machines: [[]] };
  expect((await run({ stays: nobody })).outcome).toMatchObject({ reason: "stopped", detail: /no worker is left/ });
  const always = { periodMs: 1000, machines: [[[0, 1000]]] } as const;
  expect((await run({ stays: always })).rounds).toEqual((await run()).rounds);
  // Everyone is away for the first second of every three.
  const late = await run({ stays: { periodMs: 3000, machines: [[[1000, 3000]]] } });
  expect(late.rounds).toHaveLength(6);
  expect(late.rounds[0]!.timeMs).toBeGreaterThan(1000);
  const half = await run({ stays: { periodMs: 1000, machines: [[[0, 1000]], []] } });
  expect(half.rounds.map(({ updates }) => updates)).toEqual([5, 5, 5, 5, 5, 5]);
});

test("a run that fails ends the simulation, though workers come and go", async () => {
  const fails = () => {
    throw new RangeError("too few examples");
  };
  await expect(run({ availability: 0.6, stayMs: 400 }, 20, fails)).rejects.toThrow("too few examples");
});

test("a plot names its axes and curves, and escapes what it is given", () => {
  const curve = (name: string, scale: number) => ({
    name,
    points: [1, 2, 3].map((round) => ({ round, timeMs: 60_000 * round, bytes: 1e6 * round, value: scale * round })),
  });
  const svg = plotCurves([curve("a < b", 0.2), curve("c", 0.3)], { title: "t & t", metric: "accuracy", percent: true });
  for (const text of [
    "rounds",
    "virtual time (min)",
    "moved up and down (MB)",
    "accuracy (%)",
    "a &lt; b",
    "t &amp; t",
  ]) {
    expect(svg).toContain(text);
  }
  expect(svg.match(/<polyline/g)?.length).toBe(6);
  expect(svg).not.toContain("NaN");
});
