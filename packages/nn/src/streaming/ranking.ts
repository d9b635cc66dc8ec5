/** Metrics of how scores order positives and negatives, whatever the threshold. They keep every score. */
import { ModelError } from "../errors.ts";
import type { Row, StreamingMetric } from "./metric.ts";
import { logSoftmaxOf, streaming, targetLabel } from "./metric.ts";

export interface RocCurve {
  /** Share of negatives at or above each threshold. */
  readonly falsePositiveRate: readonly number[];
  /** Share of positives at or above each threshold. */
  readonly truePositiveRate: readonly number[];
  /** The distinct scores, descending, after an infinite one that nothing reaches. */
  readonly thresholds: readonly number[];
}

/** Scores [batch], higher for positives, and targets 0 or 1: one point for each distinct score. */
export const rocCurve = (): StreamingMetric<RocCurve> => ofScores("rocCurve", curveOf);

/**
 * Probability that a random positive scores above a random negative, ties counting half: the area under the curve. For logits
 * [batch, classes] the mean over classes of each against the rest, by softmax. NaN when a class has no example.
 */
export function rocAuc(): StreamingMetric<number> {
  const hasClasses = (rows: readonly Row[]) => (rows[0]?.prediction.length ?? 1) > 1;
  return ofRows(
    "rocAuc",
    (rows) => hasClasses(rows) || binary("rocAuc", rows),
    (rows) => (hasClasses(rows) ? oneAgainstRest(rows) : areaOf(curveOf(binary("rocAuc", rows)))),
  );
}

/** Σ (Rₙ − Rₙ₋₁)·Pₙ over the distinct scores [batch], descending: precision averaged over recall, not interpolated. */
export function averagePrecision(): StreamingMetric<number> {
  return ofScores("averagePrecision", (scored) => {
    const steps = stepsOf(scored);
    const found = steps.at(-1)?.positives ?? NaN;
    const sum = steps.reduce((total, { positives, negatives }, i) => {
      const gained = positives - (steps[i - 1]?.positives ?? 0);
      return total + gained * (positives / (positives + negatives));
    }, 0);
    return sum / found;
  });
}

function oneAgainstRest(rows: readonly Row[]): number {
  const scored = rows.map((row) => ({ odds: logSoftmaxOf(row.prediction).map(Math.exp), label: targetLabel(row) }));
  const classes = scored[0]?.odds.length ?? 0;
  const areas = Array.from({ length: classes }, (_, i) =>
    areaOf(curveOf(scored.map(({ odds, label }) => ({ score: odds[i] ?? NaN, positive: label === i })))),
  );
  return areas.reduce((sum, area) => sum + area, 0) / classes;
}

interface Scored {
  readonly score: number;
  readonly positive: boolean;
}

/** All rows so far; each batch points to those before it, so that adding one copies nothing. */
interface Rows {
  readonly rows: readonly Row[];
  readonly before: Rows | undefined;
}

function ofRows<Result>(
  name: string,
  check: (rows: readonly Row[]) => unknown,
  result: (rows: readonly Row[]) => Result,
): StreamingMetric<Result> {
  const start: Rows = { rows: [], before: undefined };
  return streaming({
    name,
    start,
    add(before, { rows }): Rows {
      // Mistakes are told where they are made, not when all is added up.
      check(rows);
      return { rows, before };
    },
    result(last) {
      const batches: (readonly Row[])[] = [];
      for (let each: Rows | undefined = last; each; each = each.before) batches.push(each.rows);
      const rows = batches.reverse().flat();
      return result(rows);
    },
  });
}

const ofScores = <Result>(name: string, result: (scored: readonly Scored[]) => Result): StreamingMetric<Result> =>
  ofRows(
    name,
    (rows) => binary(name, rows),
    (rows) => result(binary(name, rows)),
  );

function binary(name: string, rows: readonly Row[]): Scored[] {
  return rows.map((row) => {
    const label = targetLabel(row);
    if (row.prediction.length !== 1 || (label !== 0 && label !== 1)) {
      throw new ModelError(
        `${name}: expected one score and a target of 0 or 1 for each example, got ${row.prediction.length} scores and ` +
          `target ${label}; take the scores of one class`,
      );
    }
    return { score: row.prediction[0] ?? NaN, positive: label === 1 };
  });
}

interface Step {
  readonly score: number;
  readonly positives: number;
  readonly negatives: number;
}

/** How many of each kind score at least each distinct score, descending. */
function stepsOf(scored: readonly Scored[]): Step[] {
  const steps: Step[] = [];
  let [positives, negatives] = [0, 0];
  const ordered = scored.toSorted((a, b) => b.score - a.score);
  ordered.forEach(({ score, positive }, i) => {
    if (positive) positives++;
    else negatives++;
    if (ordered[i + 1]?.score !== score) steps.push({ score, positives, negatives });
  });
  return steps;
}

function curveOf(scored: readonly Scored[]): RocCurve {
  const steps = [{ score: Infinity, positives: 0, negatives: 0 }, ...stepsOf(scored)];
  const last = steps.at(-1);
  return {
    falsePositiveRate: steps.map(({ negatives }) => negatives / (last?.negatives ?? NaN)),
    truePositiveRate: steps.map(({ positives }) => positives / (last?.positives ?? NaN)),
    thresholds: steps.map(({ score }) => score),
  };
}

/** By trapezia, which count ties half. */
function areaOf({ falsePositiveRate: x, truePositiveRate: y }: RocCurve): number {
  if (x.length < 2) return NaN;
  return x
    .slice(1)
    .reduce((area, right, i) => area + ((right - (x[i] ?? NaN)) * ((y[i + 1] ?? NaN) + (y[i] ?? NaN))) / 2, 0);
}
