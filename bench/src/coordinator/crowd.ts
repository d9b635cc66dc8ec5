/** A thousand workers on live sockets, of whom a twentieth is killed in every round: what becomes of the rounds and of the memory. */
import { figure, weatherStorm } from "../../../test/support/crowd/crowd.ts";
import { killAllLines } from "../../../test/support/crowd/lineProcess.ts";
import { type BenchOptions, type Figure, median, threeDigits } from "../figure.ts";

export async function* crowd({ rounds = 50 }: BenchOptions): AsyncIterable<Figure> {
  try {
    const report = await weatherStorm({ processes: 20, perProcess: 50, rounds });
    const of = (field: string) => report.rounds.map((line) => figure(line, field));
    const [early, late] = [median(of("liveMB").slice(0, 10)), median(of("liveMB").slice(-10))];
    process.stderr.write(
      `  ${report.rounds.length} rounds, ${report.killed} workers killed, ${report.joined} joined; ` +
        `updates a round ${Math.min(...of("updates"))} to ${Math.max(...of("updates"))}; ${median(of("ms")).toFixed(0)} ms a round\n`,
    );
    yield {
      name: "crowd, rounds closed",
      value: report.rounds.length,
      unit: "rounds",
      vs: "rounds begun",
      ratio: threeDigits(report.rounds.length / rounds),
    };
    yield {
      name: "crowd, live memory after the last ten rounds",
      value: threeDigits(late),
      unit: "MB",
      vs: "after the first ten",
      ratio: threeDigits(early / late),
    };
  } finally {
    await killAllLines();
  }
}
