/** Metrics of predicted numbers, over all elements. */
import type { StreamingMetric } from "./metric.ts";
import { streaming } from "./metric.ts";

/** Mean of (prediction − target)². */
export const meanSquaredError = (): StreamingMetric<number> => ofMoments("meanSquaredError", meanSquare);

/** √ of the mean of (prediction − target)²: in the unit of the targets. */
export const rootMeanSquaredError = (): StreamingMetric<number> =>
  ofMoments("rootMeanSquaredError", (moments) => Math.sqrt(meanSquare(moments)));

/** Mean of |prediction − target|. */
export const meanAbsoluteError = (): StreamingMetric<number> =>
  ofMoments("meanAbsoluteError", ({ distances, count }) => distances / count);

/** The largest |prediction − target|. */
export const maxError = (): StreamingMetric<number> =>
  ofMoments("maxError", ({ largest, count }) => (count > 0 ? largest : NaN));

/** Share of the targets' variance that the predictions explain: 1 − Σ(prediction − target)² / Σ(target − mean)². */
export const r2 = (): StreamingMetric<number> => ofMoments("r2", ({ squares, spread }) => 1 - squares / spread);

interface Moments {
  readonly count: number;
  /** Σ (prediction − target)² */
  readonly squares: number;
  /** Σ |prediction − target| */
  readonly distances: number;
  readonly largest: number;
  /** Mean of the targets, and Σ (target − mean)², kept up as Welford does (1962), which cancels nothing. */
  readonly mean: number;
  readonly spread: number;
}

const meanSquare = ({ squares, count }: Moments): number => squares / count;

function ofMoments(name: string, result: (moments: Moments) => number): StreamingMetric<number> {
  const start: Moments = { count: 0, squares: 0, distances: 0, largest: 0, mean: 0, spread: 0 };
  return streaming({
    name,
    start,
    add: (moments, { rows }) =>
      rows.reduce(
        (sum, { prediction, target }) =>
          Array.from(prediction).reduce((each, value, i) => withPair(each, value, target[i] ?? NaN), sum),
        moments,
      ),
    result,
  });
}

function withPair(moments: Moments, prediction: number, target: number): Moments {
  const distance = Math.abs(prediction - target);
  const count = moments.count + 1;
  const mean = moments.mean + (target - moments.mean) / count;
  return {
    count,
    squares: moments.squares + distance * distance,
    distances: moments.distances + distance,
    largest: Math.max(moments.largest, distance),
    mean,
    spread: moments.spread + (target - moments.mean) * (target - mean),
  };
}
