/** Simulating for research: results that do not depend on this machine, time and bytes by model, workers that come and go. */
import { partitionIid, type Dataset } from "@weft/data";
import { encodeJob } from "@weft/protocol";
import { computeHere, plotCurves, simulate, usualMachines, type MachineModel, type Simulation } from "@weft/simulator";
import { setBackend, tensor, trace, type Program, type Tensor, type TensorType } from "@weft/tensor";
import { encode } from "@weft/tensor/programs";
import { createReferenceBackend } from "@weft/tensor/reference";
import { checkJob, createTrainer } from "@weft/worker";
import { beforeAll, expect, test } from "vitest";

beforeAll(() => {
  setBackend(createReferenceBackend());
});

const f32 = (...shape: number[]): TensorType => ({ shape, dtype: "f32" });
const key: TensorType = { shape: [2], dtype: "u32" };
const field = { shape: [], dtype: "f32", stored: "f32", scale: 1 } as const;
const contract = {
  fields: [
    { name: "x", ...field, shape: [] },
    { name: "y", ...field, shape: [] },
  ],
};

/** y = 2x + 1 on a grid. */
const data: Dataset = {
  contract,
  size: 200,
  columns: [
    Float32Array.from({ length: 200 }, (_, i) => i / 100 - 1),
    Float32Array.from({ length: 200 }, (_, i) => 2 * (i / 100 - 1) + 1),
  ],
};

const squares = (w: Tensor, b: Tensor, x: Tensor, y: Tensor) => x.mul(w).add(b).sub(y).square();

function job(rounds: number): Uint8Array {
  const at = (batch: number, program: Program) => ({ batch, bytes: encode(program) });
  const loss = (...values: Tensor[]) => {
    const [w, b, , weights, x, y] = values as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
    return [squares(w, b, x, y).mul(weights).sum().div(weights.sum())];
  };
  const evaluate = (...values: Tensor[]) => {
    const [w, b, weights, x, y] = values as [Tensor, Tensor, Tensor, Tensor, Tensor];
    return [squares(w, b, x, y).mul(weights).sum()];
  };
  const predict = (...values: Tensor[]) => [values[2]!.mul(values[0]!).add(values[1]!)];
  return encodeJob(
    {
      format: 1,
      name: "line",
      parameters: [
        { name: "w", shape: [], kind: "weight" },
        { name: "b", shape: [], kind: "weight" },
      ],
      data: contract,
      examples: 200,
      metrics: [],
      round: {
        work: { kind: "local", epochs: 2, batchSize: 5, optimizer: { name: "sgd", learningRate: 0.1 } },
        cohort: { fraction: 0.5 },
        quorum: { fraction: 1 },
        deadlineMs: "adaptive",
        weighting: "examples",
        server: { name: "sgd", learningRate: 1 },
        normBound: 100,
        evaluation: { on: "coordinator", every: 1 },
      },
      codec: { up: { kind: "f32" }, down: { kind: "f32" } },
      stop: { rounds },
      seed: 3,
    },
    {
      initialize: at(
        0,
        trace(() => [tensor(0).cast("f32"), tensor(0).cast("f32")], [key]),
      ),
      loss: [at(5, trace(loss, [f32(), f32(), key, f32(5), f32(5), f32(5)]))],
      evaluate: at(50, trace(evaluate, [f32(), f32(), f32(50), f32(50), f32(50)])),
      predict: at(50, trace(predict, [f32(), f32(), f32(50)])),
    },
  );
}

const encoded = job(6);

async function run(machines: Partial<MachineModel> = {}, workers = 20): Promise<Simulation> {
  const trainer = createTrainer(checkJob(encoded));
  return simulate({
    job: encoded,
    train: data,
    compute: computeHere(trainer, { train: data, test: data }),
    partition: (slots) => partitionIid(data.size, slots, 1),
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
