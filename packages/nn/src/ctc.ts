/**
 * Connectionist temporal classification (Graves et al. 2006): the loss of a sequence of labels whose times are not known. The
 * forward variables run along the time of a `scan`, in logarithms.
 */
import type { Tensor } from "@weft/tensor";
import { ShapeError, arange, concat, full, scan, typeText, where } from "@weft/tensor";
import type { LossOptions } from "./reduction.ts";
import { reduced } from "./reduction.ts";
import { forLoss } from "./targets.ts";

export interface CtcOptions extends LossOptions {
  /** The class that stands for no label; default 0. */
  readonly blank?: number;
  /** Steps of each example that count, i32 [batch]; default all. */
  readonly lengths?: Tensor;
}

/** Stands for the logarithm of 0: finite, so that differences and gradients are. */
const never = -1e30;

/**
 * −log of the probability of all ways in which the logits spell the labels: repeats merge, blanks vanish.
 *
 * @param logits [batch, time, classes]
 * @param labels i32 [batch, length], shorter ones filled up with negative numbers
 * @returns the mean over the batch, unless told otherwise; about 1e30 for labels that do not fit in their time
 */
export function ctc(logits: Tensor, labels: Tensor, options: CtcOptions = {}): Tensor {
  const { blank = 0, lengths } = options;
  const [batch = 0, time = 0] = logits.shape;
  if (logits.rank !== 3 || labels.rank !== 2 || labels.shape[0] !== batch || labels.dtype !== "i32" || time === 0) {
    throw new ShapeError(
      `ctc: expected logits [batch, time, classes] and labels i32 [batch, length], got ${typeText(logits)} and ` +
        `${typeText(labels)}; fill short labels up with -1`,
    );
  }
  const states = statesOf(labels, blank);
  const logP = forLoss(logits).logSoftmax();
  // [time, batch, states]
  const emissions = logP.takeAlongAxis(spread(states.label, time), { axis: 2 }).swapAxes(0, 1);
  const place = arange(states.label.shape[1] ?? 0);
  const start = where(place.equal(0), 0, full([batch, place.size], never, { dtype: logP.dtype }));
  const step = (before: Tensor, [emission, t]: readonly [Tensor, Tensor]) => {
    const moved = logSum(before, delayed(before, 1), where(states.skips, delayed(before, 2), never));
    // The first step may begin in the first label too, which is what moving on from a start before it gives.
    const next = moved.add(emission).maximum(never);
    return [lengths ? where(t.less(lengths).expandDims(1), next, before) : next, undefined] as const;
  };
  const [last] = scan(step, start, [emissions, arange(time)] as const);
  // Spelled out in the last label, or in the blank after it.
  const count = labels.greaterEqual(0).sum({ axis: 1 }).expandDims(1);
  const ends = place.greaterEqual(count.mul(2).sub(1)).and(place.lessEqual(count.mul(2)));
  const losses = where(ends, last, never).logSumExp({ axis: 1 }).neg();
  return reduced("ctc", losses, options);
}

/** blank, first label, blank, second label, …, blank; `skips` where a state may follow the one two before it. */
function statesOf(labels: Tensor, blank: number): { readonly label: Tensor; readonly skips: Tensor } {
  const [batch = 0, length = 0] = labels.shape;
  const blanks = full([batch, length], blank, { dtype: "i32" });
  const known = where(labels.less(0), blank, labels);
  const pairs = concat([blanks.expandDims(2), known.expandDims(2)], 2).reshape([batch, 2 * length]);
  const label = concat([pairs, full([batch, 1], blank, { dtype: "i32" })], 1);
  const twoBefore = concat([full([batch, 2], blank, { dtype: "i32" }), label], 1).at(null, [0, 2 * length + 1]);
  return { label, skips: label.notEqual(blank).and(label.notEqual(twoBefore)) };
}

const spread = (label: Tensor, time: number) =>
  label.expandDims(1).broadcastTo([label.shape[0] ?? 0, time, label.shape[1] ?? 0]);

/** Along the states, `by` places later. */
function delayed(x: Tensor, by: number): Tensor {
  const size = x.shape[1] ?? 0;
  return x
    .pad(
      [
        [0, 0],
        [by, 0],
      ],
      { value: never },
    )
    .at(null, [0, size]);
}

/** log(e^a + e^b + e^c); never + never stays never, near enough. */
function logSum(a: Tensor, b: Tensor, c: Tensor): Tensor {
  const largest = a.maximum(b).maximum(c).stopGradient();
  const sum = [a, b, c].map((x) => x.sub(largest).exp()).reduce((total, x) => total.add(x));
  return largest.add(sum.log());
}
