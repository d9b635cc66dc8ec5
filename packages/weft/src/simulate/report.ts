/** What came of simulations: a table for the terminal, plain data, and curves. */
import { plotCurves, type MachineModel, type Simulation, type SimulatedRound } from "@weft/simulator";
import { bytes, count, duration, figure } from "../terminal/format.ts";

export interface Result {
  readonly name: string;
  readonly job: string;
  readonly workers: number;
  readonly machines: MachineModel;
  readonly simulation: Simulation;
}

/** The value of a metric after a round: as it was measured, or else as training reported it. */
export function valueOf({ evaluated, metrics, loss }: SimulatedRound, metric: string): number | undefined {
  const measured = evaluated?.[metric];
  if (evaluated !== undefined) return measured;
  return metric === "loss" ? loss : metrics[metric];
}

/** Rounds with a value; if any was measured, those alone. */
function measured(
  { rounds }: Simulation,
  metric: string,
): { readonly round: SimulatedRound; readonly value: number }[] {
  const isMeasured = rounds.some(({ evaluated }) => evaluated !== undefined);
  return rounds
    .filter(({ evaluated }) => !isMeasured || evaluated !== undefined)
    .flatMap((round) => {
      const value = valueOf(round, metric);
      return value === undefined ? [] : [{ round, value }];
    });
}

const isPercent = (metric: string) => /accuracy/i.test(metric);
const shown = (metric: string, value: number | undefined) =>
  value === undefined ? "–" : isPercent(metric) ? `${(100 * value).toFixed(2)} %` : figure(value);

/** At most 80 columns wide. */
export function resultTable(results: readonly Result[], metric: string): string[] {
  const head = ["run", "rounds", "time", "up", "down", metric.slice(0, 12), "best"];
  const rows = results.map(({ name, simulation }) => {
    const last = simulation.rounds.at(-1);
    const values = measured(simulation, metric).map(({ value }) => value);
    const best = values.length === 0 ? undefined : metric === "loss" ? Math.min(...values) : Math.max(...values);
    return [
      name,
      count(last?.round ?? 0),
      duration((last?.timeMs ?? 0) / 1000),
      bytes(last?.bytesUp ?? 0),
      bytes(last?.bytesDown ?? 0),
      shown(metric, values.at(-1)),
      shown(metric, best),
    ];
  });
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? "").length)));
  const others = widths.slice(1).reduce((sum, width) => sum + width + 2, 0);
  widths[0] = Math.min(widths[0] ?? 0, Math.max(12, 80 - others));
  return [head, ...rows].map((row) =>
    row
      .map((text, i) => (i === 0 ? cut(text, widths[0] ?? 0).padEnd(widths[0] ?? 0) : text.padStart(widths[i] ?? 0)))
      .join("  "),
  );
}

const cut = (text: string, width: number) => (text.length <= width ? text : `${text.slice(0, width - 1)}…`);

export function resultPlot(results: readonly Result[], metric: string): string {
  const jobs = [...new Set(results.map(({ job }) => job))];
  return plotCurves(
    results.map(({ name, simulation }) => ({
      name,
      points: measured(simulation, metric).map(({ round: { round, timeMs, bytesUp, bytesDown }, value }) => ({
        round,
        timeMs,
        bytes: bytesUp + bytesDown,
        value,
      })),
    })),
    { title: `${jobs.join(", ")}: ${metric}`, metric, percent: isPercent(metric) },
  );
}

/** Everything, as it is written to results.json. */
export function resultData(results: readonly Result[]): object {
  return results.map(({ simulation, machines: { stays, ...machines }, ...about }) => {
    const { reason, detail, metrics } = simulation.outcome;
    // What was measured of many machines has a file of its own.
    const measured = stays && { stays: { machines: stays.machines.length, periodMs: stays.periodMs } };
    return {
      ...about,
      machines: { ...machines, ...measured },
      outcome: { reason, detail, metrics },
      seconds: simulation.seconds,
      rounds: simulation.rounds,
    };
  });
}
