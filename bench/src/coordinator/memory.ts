/**
 * What a coordinator's process holds at most while a hundred workers send it updates of a 100 MB model: beside the bound of
 * three times the model, the server optimiser's state and 64 MiB, over what the same process holds with a model of nothing.
 */
import { figure, startCrowd } from "../../../test/support/crowd/crowd.ts";
import { killAllLines } from "../../../test/support/crowd/lineProcess.ts";
import { type BenchOptions, type Figure, threeDigits } from "../figure.ts";

const megabytes = 100;
const slackMB = (64 * 2 ** 20) / 1e6;
const servers = [
  { name: "sgd", spec: { name: "sgd", learningRate: 0.5 }, vectors: 0 },
  { name: "adam", spec: { name: "adam", learningRate: 0.001 }, vectors: 2 },
] as const;

export async function* coordinatorMemory({ filter, rounds = 2 }: BenchOptions): AsyncIterable<Figure> {
  try {
    const idle = await peak({ size: 1000, workers: 100, rounds, server: servers[0].spec });
    process.stderr.write(`  a model of nothing: ${idle.toFixed(0)} MB\n`);
    for (const { name, spec, vectors } of servers) {
      if (!name.includes(filter)) continue;
      const size = (megabytes * 1e6) / 4;
      const held = (await peak({ size, workers: 100, rounds, server: spec })) - idle;
      const bound = (3 + vectors) * megabytes + slackMB;
      process.stderr.write(`  ${name}: ${(held + idle).toFixed(0)} MB in all\n`);
      yield {
        name: `coordinator-memory, 100 MB, 100 workers, ${name}`,
        value: threeDigits(held),
        unit: "MB",
        vs: `3 x model + ${vectors} x model of state + 64 MiB`,
        ratio: threeDigits(bound / held),
      };
    }
  } finally {
    await killAllLines();
  }
}

interface Setting {
  readonly size: number;
  readonly workers: number;
  readonly rounds: number;
  readonly server: (typeof servers)[number]["spec"];
}

/** In MB, as the kernel counted it. */
async function peak({ size, workers, rounds, server }: Setting): Promise<number> {
  const crowd = await startCrowd({ size, workers, rounds, round: { server, deadlineMs: 1_800_000 } });
  const processes = await Promise.all([0, 1].map(() => crowd.join(workers / 2)));
  const finished = await crowd.coordinator.until("finished");
  for (const line of crowd.coordinator.of("round")) {
    const [ms, p99, most] = ["ms", "heldP99Ms", "heldMostMs"].map((field) => figure(line, field).toFixed(0));
    process.stderr.write(
      `  round ${String(line["round"])}: ${ms} ms, event loop held ${p99} ms (p99), ${most} ms (most)\n`,
    );
  }
  await Promise.all([crowd.coordinator.exited, ...processes.map(({ exited }) => exited)]);
  return figure(finished, "peakMB");
}
