/** Metrics of predicted probabilities: how often they are right, how well they fit, and how honest they are. */
import { ModelError } from "../errors.ts";
import { checkCount } from "../settings.ts";
import type { Row, StreamingMetric } from "./metric.ts";
import { labelOf, logSoftmaxOf, streaming, targetLabel } from "./metric.ts";

/** Share of rows whose class is the target: predictions are labels, scores [batch, classes], or logits [batch] of two classes. */
export function accuracy(): StreamingMetric<number> {
  return meanOf("accuracy", (row, areLabels) => Number(labelOf(row.prediction, areLabels) === targetLabel(row)));
}

/** Share of rows whose target is among the k largest scores. */
export function topKAccuracy({ k }: { readonly k: number }): StreamingMetric<number> {
  checkCount("topKAccuracy", "k", k);
  return meanOf("topKAccuracy", (row) => {
    const label = targetLabel(row);
    const own = row.prediction[label] ?? NaN;
    const ahead = Array.from(row.prediction).filter((value, i) => value > own || (value === own && i < label));
    return Number(ahead.length < k);
  });
}

/** Mean −log probability of the target in nats, from logits [batch, classes] or [batch, time, classes]; log loss. */
export const crossEntropy = (): StreamingMetric<number> =>
  meanOf("crossEntropy", (row) => surprise("crossEntropy", row));

/** e^(mean −log probability of the target): how many classes the model is torn between. */
export function perplexity(): StreamingMetric<number> {
  return meanOf("perplexity", (row) => surprise("perplexity", row), Math.exp);
}

/** Mean −log₂ probability of the target. */
export function bitsPerToken(): StreamingMetric<number> {
  return meanOf(
    "bitsPerToken",
    (row) => surprise("bitsPerToken", row),
    (mean) => mean / Math.LN2,
  );
}

/** Mean squared distance of the probabilities, from logits [batch, classes], to the one-hot target (Brier 1950). */
export function brierScore(): StreamingMetric<number> {
  return meanOf("brierScore", (row) => {
    const label = targetLabel(row);
    return probabilities("brierScore", row).reduce((sum, p, i) => sum + (p - Number(i === label)) ** 2, 0);
  });
}

interface Bin {
  readonly count: number;
  readonly confidence: number;
  readonly correct: number;
}

/**
 * How far the probability of the chosen class, from logits [batch, classes], is from how often it is right: over equal bins of
 * that probability, the weighted mean of the differences (Guo et al. 2017).
 */
export function expectedCalibrationError({ bins = 10 }: { readonly bins?: number } = {}): StreamingMetric<number> {
  checkCount("expectedCalibrationError", "bins", bins);
  const start: readonly Bin[] = Array.from({ length: bins }, () => ({ count: 0, confidence: 0, correct: 0 }));
  return streaming({
    name: "expectedCalibrationError",
    start,
    add(before, { rows }) {
      const next = [...before];
      for (const row of rows) {
        const odds = probabilities("expectedCalibrationError", row);
        const chosen = labelOf(odds, false);
        const confidence = odds[chosen] ?? NaN;
        // Bins are open below and closed above.
        const place = Math.min(bins - 1, Math.max(0, Math.ceil(confidence * bins) - 1));
        const bin = next[place];
        if (!bin) throw new Error(`no bin for ${confidence}`);
        next[place] = {
          count: bin.count + 1,
          confidence: bin.confidence + confidence,
          correct: bin.correct + Number(chosen === targetLabel(row)),
        };
      }
      return next;
    },
    result(all) {
      const total = all.reduce((sum, { count }) => sum + count, 0);
      return all.reduce((sum, bin) => sum + Math.abs(bin.confidence - bin.correct), 0) / total;
    },
  });
}

/** The mean of a number per row. */
function meanOf(
  name: string,
  value: (row: Row, areLabels: boolean) => number,
  finish: (mean: number) => number = (mean) => mean,
): StreamingMetric<number> {
  return streaming({
    name,
    start: { sum: 0, count: 0 },
    add: ({ sum, count }, { rows, areLabels }) => ({
      sum: rows.reduce((total, row) => total + value(row, areLabels), sum),
      count: count + rows.length,
    }),
    result: ({ sum, count }) => finish(sum / count),
  });
}

/** −log probability of the target. */
function surprise(name: string, row: Row): number {
  const logs = logSoftmaxOf(expectLogits(name, row));
  if (row.target.length > 1) return logs.reduce((sum, log, i) => sum - (row.target[i] ?? 0) * log, 0);
  const loss = logs[targetLabel(row)];
  if (loss !== undefined) return -loss;
  throw new ModelError(
    `${name}: label ${targetLabel(row)} is not in 0..${logs.length - 1}; mask the rows that do not count`,
  );
}

const probabilities = (name: string, row: Row): number[] => logSoftmaxOf(expectLogits(name, row)).map(Math.exp);

function expectLogits(name: string, { prediction }: Row): ArrayLike<number> {
  if (prediction.length > 1) return prediction;
  throw new ModelError(`${name}: expected logits [batch, classes], got one number for each target; give all classes`);
}
