/** Workers trained on threads: the same bits on any number of them, and their failures told. */
import { partitionIid } from "@weft/data";
import {
  computeHere,
  simulate,
  SimulationError,
  startTrainerThreads,
  usualMachines,
  type Compute,
} from "@weft/simulator";
import { setBackend } from "@weft/tensor";
import { createWasmBackend } from "@weft/wasm";
import { checkJob, createTrainer } from "@weft/worker";
import { afterAll, beforeAll, expect, test } from "vitest";
import { data, job } from "./line.ts";

const encoded = job(4);
const pools = [1, 3].map((threads) => startTrainerThreads(threads));

beforeAll(() => {
  setBackend(createWasmBackend({ blas: "auto" }));
});

afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.close()));
});

const run = (of: Uint8Array, compute: Compute, availability = 1) =>
  simulate({
    ...{ job: of, train: data, compute, partition: (slots: number) => partitionIid(data.size, slots, 1) },
    ...{ workers: 20, seed: 4, machines: { ...usualMachines, availability, stayMs: 2000, spread: 1 } },
  });

test("a simulation gives the same bits on this thread, on one and on three", async () => {
  const sets = { train: data, test: data };
  for (const of of [
    encoded,
    job(4, { kind: "int4" }),
    job(4, { kind: "f32" }, { combine: { kind: "median" }, weighting: "uniform" }),
  ]) {
    const here = await run(of, computeHere(createTrainer(checkJob(of)), sets));
    expect(here.rounds.length).toBe(4);
    for (const pool of pools) {
      const there = await run(of, await pool.begin(of, sets));
      expect(there.rounds).toEqual(here.rounds);
      expect(there.outcome.weights).toEqual(here.outcome.weights);
    }
  }
});

test("workers that come and go while threads compute for them do not change that", async () => {
  const of = job(6, { kind: "f32" }, { quorum: { fraction: 0.6 } });
  const sets = { train: data, test: data };
  const here = await run(of, computeHere(createTrainer(checkJob(of)), sets), 0.7);
  const there = await run(of, await pools[1]!.begin(of, sets), 0.7);
  expect(there.rounds).toEqual(here.rounds);
  expect(there.outcome.weights).toEqual(here.outcome.weights);
});

test("a simulation that is interrupted ends after the round under way", async () => {
  const interruption = new AbortController();
  const { rounds, outcome } = await simulate({
    ...{ job: encoded, train: data, compute: await pools[1]!.begin(encoded, { train: data, test: data }) },
    ...{ partition: (slots: number) => partitionIid(data.size, slots, 1), workers: 20, seed: 4 },
    machines: usualMachines,
    signal: interruption.signal,
    onRound: ({ round }) => {
      if (round === 2) interruption.abort();
    },
  });
  expect(rounds.map(({ round }) => round)).toEqual([1, 2]);
  expect(outcome).toMatchObject({ reason: "stopped", detail: "interrupted" });
});

test("a failure long before its update is due is told all the same", async () => {
  const here = computeHere(createTrainer(checkJob(encoded)), { train: data, test: data });
  const broken: Compute = { ...here, atOnce: 4, train: () => Promise.reject(new Error("broken")) };
  await expect(run(encoded, broken)).rejects.toThrow("broken");
});

test("a thread that fails ends the simulation with a message that says so", async () => {
  const pool = startTrainerThreads(1);
  const sets = { train: data, test: data };
  const compute = await pool.begin(encoded, sets);
  // Indices that the set does not have, as a fault of ours would give them.
  const broken: Compute = {
    ...compute,
    train: (task) => compute.train({ ...task, rows: Uint32Array.of(9999) }),
  };
  await expect(run(encoded, broken)).rejects.toThrow(SimulationError);
  await expect(compute.measure({ base: new Float32Array(2), rows: new Uint32Array(), state: {} })).rejects.toThrow(
    /a thread that trains for the simulation failed \(example 9999 is outside a dataset of 200/,
  );
  await pool.close();
});
