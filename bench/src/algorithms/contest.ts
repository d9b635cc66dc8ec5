/** Jobs that differ in a few knobs, trained with simulated workers on the same data: rounds, virtual time and bytes until a goal. */
import { availableParallelism } from "node:os";
import type { Dataset, Parts } from "@weft/data";
import { simulate, startTrainerThreads, usualMachines, type MachineModel, type SimulatedRound } from "@weft/simulator";
import { setBackend } from "@weft/tensor";
import { createWasmBackend } from "@weft/wasm";
import { buildJob, defineJob, type JobDefinition } from "weft";

export interface Contestant {
  readonly name: string;
  readonly definition: JobDefinition;
  readonly workers: number;
  readonly partition: (train: Dataset, workers: number) => Parts;
  readonly machines?: Partial<MachineModel>;
}

/** A version that was measured. */
export interface Point {
  readonly round: number;
  readonly minutes: number;
  readonly megabytes: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/** Every measured version, in order. */
export async function contest({ name, definition, workers, partition, machines }: Contestant): Promise<Point[]> {
  useWasm();
  const { train, test } = await definition.data.load();
  const encoded = buildJob(defineJob(definition), { train });
  const threads = startTrainerThreads(availableParallelism());
  try {
    const { rounds } = await simulate({
      job: encoded,
      train,
      compute: await threads.begin(encoded, { train, test }),
      partition: (slots) => partition(train, slots),
      workers,
      seed: 0,
      machines: { ...usualMachines, ...machines },
      onRound: (round) => {
        report(name, round);
      },
    });
    process.stderr.write("\n");
    return rounds.flatMap(pointOf);
  } finally {
    await threads.close();
  }
}

const pointOf = ({ round, timeMs, bytesUp, bytesDown, evaluated }: SimulatedRound): Point[] =>
  evaluated === undefined
    ? []
    : [{ round, minutes: timeMs / 60_000, megabytes: (bytesUp + bytesDown) / 1e6, metrics: evaluated }];

/** The first version whose accuracy is at least so high; undefined where none is. */
export const reaching = (points: readonly Point[], accuracy: number): Point | undefined =>
  points.find(({ metrics }) => (metrics["accuracy"] ?? 0) >= accuracy);

let isChosen = false;
function useWasm(): void {
  if (!isChosen) setBackend(createWasmBackend());
  isChosen = true;
}

function report(name: string, { round, timeMs, evaluated, loss: trained }: SimulatedRound): void {
  const { loss = trained, accuracy } = evaluated ?? {};
  const measured = accuracy === undefined ? `loss ${loss.toFixed(4)}` : `accuracy ${(100 * accuracy).toFixed(2)} %`;
  process.stderr.write(`\r    ${name}: round ${round}, ${(timeMs / 60_000).toFixed(1)} virtual min, ${measured}   `);
}
