/** A committed round as those who watch are told of it. */
import type { RoundFigures } from "../events.ts";
import type { RoundRecord } from "../store/database.ts";
import { trafficByKind } from "./traffic.ts";

export function roundFigures(
  record: RoundRecord,
  run: { readonly totalRounds: number | undefined; readonly workers: number },
): RoundFigures {
  const { round, version, updates, examples, bytesUp, bytesDown, traffic, ms } = record;
  const { loss = NaN, ...metrics } = record.metrics;
  return {
    round,
    version,
    totalRounds: run.totalRounds,
    loss,
    metrics,
    examples,
    examplesPerSecond: (1000 * examples) / Math.max(ms, 1e-3),
    updates,
    cohort: record.cohort.length,
    workers: run.workers,
    bytesUp,
    bytesDown,
    traffic: trafficByKind(traffic),
    ms,
  };
}
