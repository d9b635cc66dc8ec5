/**
 * What simulating costs: FedAvg's two-layer network on MNIST with 1,000 virtual workers, C = 0.1, one epoch in batches of ten, on
 * all cores, against a plain loop of the same training and averaging on as many threads; in turns. Setting up is told apart.
 */
import { availableParallelism } from "node:os";
import { partitionIid, type Dataset } from "@weft/data";
import { simulate, startTrainerThreads, usualMachines, type Compute } from "@weft/simulator";
import { setBackend } from "@weft/tensor";
import { createWasmBackend } from "@weft/wasm";
import { checkJob, createTrainer } from "@weft/worker";
import { buildJob, defineJob } from "weft";
import job from "../../../examples/federated-mnist/job.ts";
import { median, threeDigits, type BenchOptions, type Figure } from "../figure.ts";
import { startPlainLoop } from "./plainLoop.ts";

const workers = 1000;
const cohort = 100;
/** Timed in one go; a simulation makes one more, in which everything is compiled and joined. */
const roundsAtOnce = 10;

/** Wall clock, and what the processor spent over all threads. */
interface Spent {
  readonly ms: number;
  readonly cpuMs: number;
}

export async function* overhead({ rounds = 5 }: BenchOptions): AsyncIterable<Figure> {
  setBackend(createWasmBackend({ blas: "auto" }));
  const threads = availableParallelism();
  const { train } = await job.definition.data.load();
  const encoded = buildJob(defineJob({ ...job.definition, stop: { rounds: roundsAtOnce + 1 } }), { train });
  const parts = [...partitionIid(train.size, workers, 0)];
  const weights = await createTrainer(checkJob(encoded)).initialize(0);
  const plain = startPlainLoop({ job: encoded, train, weights, parts, cohort, threads });
  const trainers = startTrainerThreads(threads);
  const setUps: { readonly ms: number; readonly plainMs: number }[] = [];
  const turns: { readonly ours: Spent; readonly plain: Spent; readonly bare: Spent }[] = [];
  try {
    const compute = await trainers.begin(encoded, { train });
    await plain.run(1, true);
    await simulated(encoded, { compute, train, parts });
    for (let turn = 0; turn < rounds; turn++) {
      const ours = await simulated(encoded, { compute, train, parts });
      const [beside, bare] = [
        await spent(() => plain.run(roundsAtOnce, true)),
        await spent(() => plain.run(roundsAtOnce, false)),
      ];
      setUps.push({ ms: ours.setUpMs, plainMs: beside.ms / roundsAtOnce });
      turns.push({ ours, plain: beside, bare });
      const text = ({ ms, cpuMs }: Spent) => `${ms.toFixed(0)} ms (${cpuMs.toFixed(0)} of processors)`;
      process.stderr.write(`  simulated ${text(ours)}, plain loop ${text(beside)}, training alone ${text(bare)}\n`);
    }
  } finally {
    await Promise.all([plain.close(), trainers.close()]);
  }
  for (const [vs, name] of [
    ["a plain loop of training and averaging", "plain"],
    ["training alone", "bare"],
  ] as const) {
    for (const [what, by] of [
      ["time", "ms"],
      ["processor time", "cpuMs"],
    ] as const) {
      const ratio = median(turns.map(({ ours, ...others }) => others[name][by] / ours[by]));
      yield {
        name: `${what} of a simulated round, ${threads} threads`,
        value: threeDigits(100 * (1 / ratio - 1)),
        unit: "% more",
        vs,
        ratio: threeDigits(ratio),
      };
    }
  }
  yield {
    name: "setting up a simulation of 1,000 workers, its first round included",
    value: threeDigits(median(setUps.map(({ ms }) => ms))),
    unit: "ms",
    vs: "a round of the plain loop",
    ratio: threeDigits(median(setUps.map(({ ms, plainMs }) => plainMs / ms))),
  };
}

async function spent(work: () => Promise<void>): Promise<Spent> {
  const begun = now();
  await work();
  return since(begun);
}

async function simulated(
  encoded: Uint8Array,
  of: { readonly compute: Compute; readonly train: Dataset; readonly parts: readonly Uint32Array[] },
): Promise<Spent & { readonly setUpMs: number }> {
  const begun = now();
  let first: Spent | undefined;
  let last: Spent | undefined;
  let rounds = 0;
  await simulate({
    ...{ job: encoded, train: of.train, compute: of.compute, partition: () => of.parts, workers, seed: 1 },
    machines: usualMachines,
    onRound: () => {
      rounds += 1;
      // To ask what was spent takes milliseconds itself.
      if (rounds === 1) first = since(begun);
      else if (rounds === 1 + roundsAtOnce) last = since(begun);
    },
  });
  if (first === undefined || last === undefined) throw new Error(`the simulation made ${rounds} rounds only`);
  return { ms: last.ms - first.ms, cpuMs: last.cpuMs - first.cpuMs, setUpMs: first.ms };
}

interface Moment {
  readonly ms: number;
  readonly cpu: NodeJS.CpuUsage;
}

const now = (): Moment => ({ ms: performance.now(), cpu: process.cpuUsage() });

function since({ ms, cpu }: Moment): Spent {
  const { user, system } = process.cpuUsage(cpu);
  return { ms: performance.now() - ms, cpuMs: (user + system) / 1000 };
}
