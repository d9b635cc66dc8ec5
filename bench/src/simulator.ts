/**
 * What simulating costs: FedAvg's two-layer network on MNIST with 1,000 virtual workers, C = 0.1, against the same training in a
 * plain loop (train, add up, step), in turns; and the memory of workers that have nothing to do.
 */
import { partitionIid, type Dataset } from "@weft/data";
import { simulate, usualMachines } from "@weft/simulator";
import { setBackend } from "@weft/tensor";
import { createWasmBackend } from "@weft/wasm";
import { checkJob, createTrainer, type Trainer } from "@weft/worker";
import { buildJob, defineJob } from "weft";
import job from "../../examples/federated-mnist/job.ts";
import { median, type BenchOptions, type Figure } from "./figure.ts";

const workers = 1000;
const cohort = 100;
const roundsAtOnce = 5;

export async function* simulator({ rounds = 7 }: BenchOptions): AsyncIterable<Figure> {
  setBackend(createWasmBackend({ blas: "auto" }));
  const { train } = await job.definition.data.load();
  const encoded = buildJob(defineJob({ ...job.definition, stop: { rounds: roundsAtOnce } }), { train });
  const trainer = createTrainer(checkJob(encoded));
  const parts = partitionIid(train.size, workers, 0);
  await plainLoop(trainer, train, parts, 1);
  const ratios: number[] = [];
  for (let turn = 0; turn < rounds; turn++) {
    const plainMs = await timed(() => plainLoop(trainer, train, parts, roundsAtOnce));
    const simulatedMs = await timed(async () => {
      const options = { job: encoded, trainer, train, workers, seed: 1, machines: usualMachines };
      await simulate({ ...options, partition: () => parts });
    });
    ratios.push(plainMs / simulatedMs);
    process.stderr.write(`  plain ${plainMs.toFixed(0)} ms, simulated ${simulatedMs.toFixed(0)} ms\n`);
  }
  yield {
    name: "simulator overhead over a plain loop of training and averaging, setting up included",
    value: 100 * (1 / median(ratios) - 1),
    unit: "%",
    vs: "the plain loop",
    ratio: median(ratios),
  };
}

/** Milliseconds that the processor spent on it: both sides use one thread, and others may want the machine. */
async function timed(work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** Federated averaging as anyone would write it who wants nothing but its result. */
async function plainLoop(
  trainer: Trainer,
  dataset: Dataset,
  parts: readonly Uint32Array[],
  rounds: number,
): Promise<void> {
  const { work } = trainer.job.document.round;
  if (work.kind !== "local") throw new Error("the job is federated");
  let weights = await trainer.initialize(0);
  for (let round = 0; round < rounds; round++) {
    const sums = new Float64Array(weights.length);
    let total = 0;
    for (let i = 0; i < cohort; i++) {
      const rows = parts[(round * cohort + i) % parts.length]!;
      const { epochs = 1, batchSize, optimizer } = work;
      const { change, weight } = await trainer.train(
        weights,
        { dataset, rows },
        { epochs, batchSize, optimizer, seed: i },
      );
      for (let j = 0; j < sums.length; j++) sums[j]! += weight * change[j]!;
      total += weight;
    }
    const next = new Float32Array(weights.length);
    for (let j = 0; j < next.length; j++) next[j] = weights[j]! - sums[j]! / total;
    weights = next;
  }
}
