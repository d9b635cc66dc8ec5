/**
 * What a coordinator's process holds at most while a hundred workers send it updates of a 100 MB model: beside the bound of
 * three times the model, the server optimiser's state and 64 MiB, over what the same process holds with a model of nothing. And what
 * it computes at most in one turn of its event loop, from broadcast to commit: whoever else wants the cores is not counted, and
 * neither are turns in which the machine took memory back; those are told beside it.
 */
import type { JobDocument } from "@weft/protocol";
import { figure, startCrowd } from "../../../test/support/crowd/crowd.ts";
import { killAllLines } from "../../../test/support/crowd/lineProcess.ts";
import { type BenchOptions, type Figure, threeDigits } from "../figure.ts";

const megabytes = 100;
const slackMB = (64 * 2 ** 20) / 1e6;
const servers = [
  { name: "sgd", spec: { name: "sgd", learningRate: 0.5 }, vectors: 0 },
  { name: "adam", spec: { name: "adam", learningRate: 0.001 }, vectors: 2 },
] as const;

/** What may be computed in one turn of an event loop. */
const turnLimitMs = 20;

/** What may make turns long, each in another way. */
const loads = [
  { name: "f32" },
  { name: "int8 both ways", codec: { up: { kind: "int8" }, down: { kind: "int8" } } },
  {
    name: "a hundredth of the values up, int4 down",
    codec: { up: { kind: "topK", fraction: 0.01 }, down: { kind: "int4" } },
  },
  { name: "median", round: { combine: { kind: "median" }, weighting: "uniform" } },
] as const satisfies readonly Load[];

/** Turns with fewer workers, in a minute. */
export async function* coordinatorTurns({ filter, rounds = 2 }: BenchOptions): AsyncIterable<Figure> {
  try {
    const workers = 10;
    for (const { name: load, ...rules } of loads) {
      const name = `coordinator-turns, 100 MB, ${workers} workers, ${load}`;
      if (!name.includes(filter)) continue;
      process.stderr.write(`  ${load}\n`);
      const common = { size: (megabytes * 1e6) / 4, workers, rounds, server: servers[0].spec };
      const { turnMs } = await measure({ ...common, ...rules });
      yield turnFigure(name, turnMs);
    }
  } finally {
    await killAllLines();
  }
}

export async function* coordinatorMemory({ filter, rounds = 2 }: BenchOptions): AsyncIterable<Figure> {
  try {
    const { peakMB: idle } = await measure({ size: 1000, workers: 100, rounds, server: servers[0].spec });
    process.stderr.write(`  a model of nothing: ${idle.toFixed(0)} MB\n`);
    for (const { name, spec, vectors } of servers) {
      if (!name.includes(filter)) continue;
      const size = (megabytes * 1e6) / 4;
      const { peakMB, turnMs } = await measure({ size, workers: 100, rounds, server: spec });
      const held = peakMB - idle;
      const bound = (3 + vectors) * megabytes + slackMB;
      process.stderr.write(`  ${name}: ${peakMB.toFixed(0)} MB in all\n`);
      yield {
        name: `coordinator-memory, 100 MB, 100 workers, ${name}`,
        value: threeDigits(held),
        unit: "MB",
        vs: `3 x model + ${vectors} x model of state + 64 MiB`,
        ratio: threeDigits(bound / held),
      };
      yield turnFigure(`coordinator-turns, 100 MB, 100 workers, ${name}`, turnMs);
    }
  } finally {
    await killAllLines();
  }
}

interface Load {
  readonly name: string;
  readonly codec?: JobDocument["codec"];
  readonly round?: Partial<JobDocument["round"]>;
}

interface Setting extends Omit<Load, "name"> {
  readonly size: number;
  readonly workers: number;
  readonly rounds: number;
  readonly server: (typeof servers)[number]["spec"];
}

const turnFigure = (name: string, turnMs: number): Figure => ({
  name,
  value: threeDigits(turnMs),
  unit: "ms",
  vs: `computing for ${turnLimitMs} ms in the longest turn`,
  ratio: threeDigits(turnLimitMs / turnMs),
});

/**
 * The most memory, as the kernel counted it, and the most that was computed in a turn, of those beside which the machine's memory
 * was as it mostly is.
 */
async function measure({ size, workers, rounds, ...how }: Setting): Promise<{ peakMB: number; turnMs: number }> {
  const round = { server: how.server, deadlineMs: 1_800_000, ...how.round };
  const crowd = await startCrowd({
    size,
    workers,
    rounds,
    round,
    gatherMs: 60_000,
    ...(how.codec && { codec: how.codec }),
  });
  const processes = await Promise.all([0, 1].map(() => crowd.join(workers / 2, { codec: how.codec?.up })));
  const finished = await crowd.coordinator.until("finished");
  const lines = crowd.coordinator.of("round");
  const joining = Math.max(0, ...crowd.coordinator.of("joined").map((line) => figure(line, "turnCpuMostMs")));
  process.stderr.write(`  ${workers} workers joining: computed in a turn ${joining.toFixed(0)} ms (most)\n`);
  for (const line of lines) {
    const fields = ["ms", "heldP99Ms", "heldMostMs", "turnCpuP99Ms", "turnCpuMostMs"];
    const [ms, p99, most, cpuP99, cpuMost] = fields.map((field) => figure(line, field).toFixed(0));
    process.stderr.write(
      `  round ${String(line["round"])}: ${ms} ms; event loop held ${p99} ms (p99), ${most} ms (most), of which it computed in a turn ` +
        `${cpuP99} ms (p99), ${cpuMost} ms (most)\n`,
    );
  }
  await Promise.all([crowd.coordinator.exited, ...processes.map(({ exited }) => exited)]);
  const mostOf = (field: string) => Math.max(...lines.map((line) => figure(line, field)));
  const slowTurns = lines.reduce((turns, line) => turns + figure(line, "slowTurns"), 0);
  if (slowTurns > 0) {
    process.stderr.write(
      `  beside ${slowTurns} turns, reading memory that was there all along took up to ${mostOf("slowest").toFixed(0)} times as long as it ` +
        `mostly does: the longest turn with them ${mostOf("turnCpuMostMs").toFixed(1)} ms\n`,
    );
  }
  return { peakMB: figure(finished, "peakMB"), turnMs: mostOf("turnCpuUsualMostMs") };
}
