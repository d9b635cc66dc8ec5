/** What a confusion matrix tells: precision, recall and their kin. 0/0 counts as 0, as in scikit-learn. */
import { ModelError } from "../errors.ts";
import { checkCount } from "../settings.ts";
import type { Batch, StreamingMetric } from "./metric.ts";
import { labelOf, streaming, targetLabel } from "./metric.ts";

export interface ClassOptions {
  /** Labels are 0..classes−1. */
  readonly classes: number;
}

/**
 * Per class; their plain mean over all classes; of the totals; or their mean weighted by how often each class is a target. Two
 * classes also have `binary`: that of class 1.
 */
export type Average = "none" | "macro" | "micro" | "weighted" | "binary";

export interface AverageOptions<A extends Average> extends ClassOptions {
  /** Default `macro`. */
  readonly average?: A;
}

/** counts[i][j]: examples of class i that are taken for class j. */
export type ConfusionMatrix = readonly (readonly number[])[];

/**
 * Predictions are labels i32 [batch], scores [batch, classes], of which the largest wins, or for two classes logits [batch];
 * targets are labels or one-hot.
 */
export function confusionMatrix({ classes }: ClassOptions): StreamingMetric<ConfusionMatrix> {
  return ofMatrix("confusionMatrix", classes, (matrix) => matrix);
}

export interface ClassScores<T> {
  /** Of those taken for the class, the share that are. */
  readonly precision: T;
  /** Of those of the class, the share that are found. */
  readonly recall: T;
  /** Harmonic mean of both. */
  readonly f1: T;
}

export interface ClassificationReport {
  readonly accuracy: number;
  /** Mean recall over the classes that occur. */
  readonly balancedAccuracy: number;
  /** Agreement beyond chance (Cohen 1960). */
  readonly cohenKappa: number;
  /** Correlation of predictions and targets (Gorodkin 2004). */
  readonly matthewsCorrelation: number;
  /** `support`: how often each class is a target. */
  readonly perClass: ClassScores<readonly number[]> & { readonly support: readonly number[] };
  readonly macro: ClassScores<number>;
  readonly micro: ClassScores<number>;
  readonly weighted: ClassScores<number>;
  readonly confusionMatrix: ConfusionMatrix;
}

/** All of these at once. */
export function classificationReport({ classes }: ClassOptions): StreamingMetric<ClassificationReport> {
  return ofMatrix("classificationReport", classes, reportOf);
}

type Averaged<A extends Average> = A extends "none" ? readonly number[] : number;

const score =
  (name: keyof ClassScores<number>) =>
  <A extends Average = "macro">({ classes, average }: AverageOptions<A>): StreamingMetric<Averaged<A>> => {
    const kind: Average = average ?? "macro";
    if (kind === "binary" && classes !== 2) {
      throw new ModelError(`${name}: average "binary" is for 2 classes, got ${classes}; use macro, micro or weighted`);
    }
    return ofMatrix(name, classes, (matrix) => {
      const report = reportOf(matrix);
      const perClass = report.perClass[name];
      const value = kind === "none" ? perClass : kind === "binary" ? (perClass[1] ?? NaN) : report[kind][name];
      return value as Averaged<A>;
    });
  };

export const precision = score("precision");
export const recall = score("recall");
export const f1 = score("f1");

export const balancedAccuracy = ({ classes }: ClassOptions): StreamingMetric<number> =>
  ofMatrix("balancedAccuracy", classes, (matrix) => reportOf(matrix).balancedAccuracy);
export const cohenKappa = ({ classes }: ClassOptions): StreamingMetric<number> =>
  ofMatrix("cohenKappa", classes, (matrix) => reportOf(matrix).cohenKappa);
export const matthewsCorrelation = ({ classes }: ClassOptions): StreamingMetric<number> =>
  ofMatrix("matthewsCorrelation", classes, (matrix) => reportOf(matrix).matthewsCorrelation);

function ofMatrix<Result>(
  name: string,
  classes: number,
  result: (matrix: ConfusionMatrix) => Result,
): StreamingMetric<Result> {
  checkCount(name, "classes", classes);
  const start: ConfusionMatrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  return streaming({ name, start, add: (matrix, batch) => counted(name, matrix, batch), result });
}

function counted(name: string, matrix: ConfusionMatrix, { rows, areLabels }: Batch): ConfusionMatrix {
  const next = matrix.map((row) => [...row]);
  for (const row of rows) {
    const [truth, taken] = [targetLabel(row), labelOf(row.prediction, areLabels)];
    const counts = next[truth];
    if (!counts || counts[taken] === undefined) {
      throw new ModelError(
        `${name}: expected labels in 0..${next.length - 1}, got target ${truth} and prediction ${taken}; raise classes, or ` +
          "mask what does not count",
      );
    }
    counts[taken]++;
  }
  return next;
}

function reportOf(matrix: ConfusionMatrix): ClassificationReport {
  const support = matrix.map(sum);
  const taken = matrix.map((_, j) => sum(matrix.map((row) => row[j] ?? 0)));
  const hits = matrix.map((row, i) => row[i] ?? 0);
  const [total, correct] = [sum(support), sum(hits)];
  const precisions = hits.map((hit, i) => ratio(hit, taken[i] ?? 0));
  const recalls = hits.map((hit, i) => ratio(hit, support[i] ?? 0));
  const f1s = precisions.map((p, i) => harmonic(p, recalls[i] ?? 0));
  const scores = (mean: (values: readonly number[]) => number) => ({
    precision: mean(precisions),
    recall: mean(recalls),
    f1: mean(f1s),
  });
  const accuracy = correct / total;
  const present = recalls.filter((_, i) => (support[i] ?? 0) > 0);
  const chance = sum(support.map((count, i) => (count / total) * ((taken[i] ?? 0) / total)));
  const products = sum(support.map((count, i) => count * (taken[i] ?? 0)));
  const spread = (counts: readonly number[]) => total ** 2 - sum(counts.map((count) => count ** 2));
  return {
    accuracy,
    balancedAccuracy: sum(present) / present.length,
    cohenKappa: ratio(accuracy - chance, 1 - chance),
    matthewsCorrelation: ratio(correct * total - products, Math.sqrt(spread(support) * spread(taken))),
    perClass: { precision: precisions, recall: recalls, f1: f1s, support },
    macro: scores((values) => sum(values) / values.length),
    micro: { precision: accuracy, recall: accuracy, f1: accuracy },
    weighted: scores((values) => sum(values.map((value, i) => value * (support[i] ?? 0))) / total),
    confusionMatrix: matrix,
  };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);
const harmonic = (p: number, r: number): number => ratio(2 * p * r, p + r);
