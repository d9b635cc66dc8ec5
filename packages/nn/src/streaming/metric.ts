/** Metrics over any number of batches: each gives the value that all examples at once would have. */
import type { Tensor } from "@weft/tensor";
import { ShapeError, isFloat, typeText } from "@weft/tensor";

/** Immutable: `update` gives the metric with a batch added and leaves this one as it was. */
export interface StreamingMetric<Result> {
  readonly update: (predictions: Tensor, targets: Tensor, options?: UpdateOptions) => Promise<StreamingMetric<Result>>;
  /** The value over all batches so far; NaN where it is not defined, as before the first. */
  readonly result: () => Result;
}

export interface UpdateOptions {
  /** True where an example, or a step of a sequence, counts; of the shape of the labels. Default everywhere. */
  readonly mask?: Tensor;
}

/** The rows of a batch, in f64 arithmetic: what its metric makes of them does not depend on the backend. */
export interface Row {
  /** One number, or one for each class. */
  readonly prediction: ArrayLike<number>;
  readonly target: ArrayLike<number>;
}

export interface MetricRule<State, Result> {
  readonly name: string;
  readonly start: State;
  /** A new state with the rows added. */
  readonly add: (state: State, batch: Batch) => State;
  readonly result: (state: State) => Result;
}

export interface Batch {
  readonly rows: readonly Row[];
  /** True when predictions are integers, so labels rather than scores. */
  readonly areLabels: boolean;
}

export function streaming<State, Result>(rule: MetricRule<State, Result>): StreamingMetric<Result> {
  return {
    async update(predictions, targets, { mask } = {}) {
      const batch = await readBatch(rule.name, [predictions, targets, mask]);
      return streaming({ ...rule, start: rule.add(rule.start, batch) });
    },
    result: () => rule.result(rule.start),
  };
}

/** Predictions [rows…] or [rows…, classes] and targets [rows…] or of the same shape, cut into rows. */
async function readBatch(
  name: string,
  [predictions, targets, mask]: readonly [Tensor, Tensor, Tensor | undefined],
): Promise<Batch> {
  const { width, targetWidth } = widthsOf(name, predictions, targets);
  const count = targets.size / targetWidth;
  if (mask && mask.size !== count) {
    throw new ShapeError(`${name}: expected a mask of ${count} entries, one for each row, got ${typeText(mask)}`);
  }
  const [scores, wanted, counted] = await Promise.all([predictions.data(), targets.data(), mask?.data()]);
  const rows: Row[] = [];
  for (let row = 0; row < count; row++) {
    if (counted?.[row] === 0) continue;
    rows.push({
      prediction: scores.subarray(row * width, (row + 1) * width),
      target: wanted.subarray(row * targetWidth, (row + 1) * targetWidth),
    });
  }
  return { rows, areLabels: !isFloat(predictions.dtype) };
}

function widthsOf(name: string, predictions: Tensor, targets: Tensor): { width: number; targetWidth: number } {
  const [p, t] = [predictions.shape, targets.shape];
  const classes = p.at(-1) ?? 1;
  if (p.slice(0, -1).join() === t.join() && p.length > 0) return { width: classes, targetWidth: 1 };
  // Of equal shapes, a float's last axis holds classes; numbers and labels are rows of one.
  const single = p.length < 2 || classes === 1 || !isFloat(predictions.dtype);
  if (p.join() === t.join()) return single ? { width: 1, targetWidth: 1 } : { width: classes, targetWidth: classes };
  if (classes === 1 && p.join() === [...t, 1].join()) return { width: 1, targetWidth: 1 };
  throw new ShapeError(
    `${name}: predictions ${typeText(predictions)} and targets ${typeText(targets)} do not belong together; give [batch] ` +
      "labels for [batch, classes] predictions, or both of one shape",
  );
}

/** The class that a row names: as it stands, by its sign where there is one score, or the first of the largest. */
export function labelOf(values: ArrayLike<number>, isLabel: boolean): number {
  if (values.length === 1) return isLabel ? (values[0] ?? NaN) : Number((values[0] ?? NaN) > 0);
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] ?? NaN) > (values[best] ?? NaN)) best = i;
  return best;
}

/** The class that a target names: a label, or the largest of probabilities. */
export const targetLabel = ({ target }: Row): number => labelOf(target, true);

/** log softmax of a row. */
export function logSoftmaxOf(logits: ArrayLike<number>): number[] {
  const values = Array.from(logits);
  const largest = Math.max(...values);
  const logSum = largest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0));
  return values.map((value) => value - logSum);
}
