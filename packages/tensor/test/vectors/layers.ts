/** Losses, normalisations, attention and recurrent layers of the golden vectors, composed of tensor operations. */
import type { Tensor } from "@weft/tensor";
import { full, logSoftmax, oneHot, scan, sigmoid, softmax, softplus, where } from "@weft/tensor";
import type { Attributes, Operation } from "./cases.ts";
import { given } from "./cases.ts";
import { operand } from "./operations.ts";

const reduced = (x: Tensor, { reduction = "mean" }: Attributes): Tensor =>
  reduction === "none" ? x : reduction === "sum" ? x.sum() : x.mean();

/** Σ -target · log softmax, for labels as classes. */
export function crossEntropy(logits: Tensor, labels: Tensor, attrs: Attributes = {}): Tensor {
  const { label_smoothing: smoothing = 0, ignore_index: ignored, reduction = "mean" } = attrs;
  const classes = logits.shape.at(-1) ?? 0;
  const target = oneHot(labels, classes, { dtype: logits.dtype })
    .mul(1 - smoothing)
    .add(smoothing / classes);
  const losses = target.mul(logSoftmax(logits)).sum({ axis: -1 }).neg();
  if (ignored === undefined) return reduced(losses, attrs);
  const kept = labels.notEqual(ignored);
  const total = where(kept, losses, 0);
  return reduction === "mean" ? total.sum().div(kept.cast(logits.dtype).sum()) : reduced(total, attrs);
}

const losses: Readonly<Record<string, Operation>> = {
  cross_entropy: ([logits, labels], attrs) => crossEntropy(operand(logits), operand(labels), attrs),
  cross_entropy_soft: ([logits, target]) =>
    operand(target)
      .mul(logSoftmax(operand(logits)))
      .sum({ axis: -1 })
      .neg()
      .mean(),
  bce_with_logits: ([x, target], attrs) => {
    const [logits, positive] = [operand(x), operand(target)];
    const onPositive = softplus(logits.neg())
      .mul(positive)
      .mul(attrs.pos_weight ?? 1);
    return reduced(onPositive.add(softplus(logits).mul(positive.neg().add(1))), attrs);
  },
  mse: ([x, target], attrs) => reduced(operand(x).sub(operand(target)).square(), attrs),
  l1: ([x, target], attrs) => reduced(operand(x).sub(operand(target)).abs(), attrs),
  huber: ([x, target], attrs) => {
    const delta = given(attrs.delta, "delta");
    const difference = operand(x).sub(operand(target));
    const distance = difference.abs();
    const outside = distance.sub(delta / 2).mul(delta);
    return reduced(where(distance.lessEqual(delta), difference.square().mul(0.5), outside), attrs);
  },
  kl_div: ([logQ, logP]) => {
    const p = operand(logP);
    return p
      .exp()
      .mul(p.sub(operand(logQ)))
      .sum()
      .div(p.shape[0] ?? 1);
  },
  cosine_similarity: ([a, b]) => {
    const [x, y] = [operand(a), operand(b)];
    return x
      .mul(y)
      .sum({ axis: -1 })
      .div(x.norm({ axis: -1 }).mul(y.norm({ axis: -1 })));
  },
};

function normalised(x: Tensor, axis: readonly number[], eps: number): Tensor {
  const options = { axis, keepDims: true };
  return x.sub(x.mean(options)).div(x.variance(options).add(eps).sqrt());
}

const normalisations: Readonly<Record<string, Operation>> = {
  layer_norm: ([x, gamma, beta], { axes, eps }) => {
    const last = Array.from({ length: given(axes, "axes") }, (_, i) => -1 - i);
    return normalised(operand(x), last, given(eps, "eps")).mul(operand(gamma)).add(operand(beta));
  },
  rms_norm: ([x, gamma], { eps }) => {
    const values = operand(x);
    const power = values.square().mean({ axis: -1, keepDims: true });
    return values.div(power.add(given(eps, "eps")).sqrt()).mul(operand(gamma));
  },
  group_norm: ([x, gamma, beta], { groups, eps }) => {
    const values = operand(x);
    const [b = 0, h = 0, w = 0, c = 0] = values.shape;
    const count = given(groups, "groups");
    const split = values.reshape([b, h, w, count, c / count]);
    const flat = normalised(split, [1, 2, 4], given(eps, "eps")).reshape(values.shape);
    return flat.mul(operand(gamma)).add(operand(beta));
  },
  batch_norm: ([x, gamma, beta, runningMean, runningVariance], { training, momentum, eps }) => {
    const [values, mean, variance] = [operand(x), operand(runningMean), operand(runningVariance)];
    const affine = (y: Tensor) => y.mul(operand(gamma)).add(operand(beta));
    if (training !== true) {
      const scaled = values.sub(mean).div(variance.add(given(eps, "eps")).sqrt());
      return { output: affine(scaled), extra: { running_mean: mean, running_var: variance } };
    }
    const axis = values.shape.slice(0, -1).map((_, i) => i);
    const rate = given(momentum, "momentum");
    const moved = (old: Tensor, batch: Tensor) => old.mul(1 - rate).add(batch.mul(rate));
    return {
      output: affine(normalised(values, axis, given(eps, "eps"))),
      extra: {
        running_mean: moved(mean, values.mean({ axis })),
        running_var: moved(variance, values.variance({ axis, correction: 1 })),
      },
    };
  },
};

/** softmax(q kᵀ / √d) v, where `mask` is true. */
function attend(
  [q, k, v]: readonly [Tensor, Tensor, Tensor],
  { mask, causal }: { mask?: Tensor | undefined; causal: boolean },
) {
  let scores = q.matmul(k, { transposeB: true }).div(Math.sqrt(q.shape.at(-1) ?? 1));
  const [queries = 0, keys = 0] = scores.shape.slice(-2);
  if (mask) scores = where(mask, scores, -Infinity);
  if (causal) scores = where(full([queries, keys], 1).tril().notEqual(0), scores, -Infinity);
  return softmax(scores).matmul(v);
}

const attention: Readonly<Record<string, Operation>> = {
  attention: ([q, k, v, mask], { causal }) =>
    attend([operand(q), operand(k), operand(v)], { mask, causal: causal === true }),
  multi_head_attention: ([x, wqkv, bqkv, wo, bo], attrs) => {
    const values = operand(x);
    const [b = 0, t = 0, c = 0] = values.shape;
    const heads = given(attrs.heads, "heads");
    const split = values
      .matmul(operand(wqkv))
      .add(operand(bqkv))
      .reshape([b, t, 3, heads, c / heads]);
    const part = (i: number) => split.at(null, null, i).transpose([0, 2, 1, 3]); // [b, heads, t, c / heads]
    const joined = attend([part(0), part(1), part(2)], { causal: attrs.causal === true });
    return joined.transpose([0, 2, 1, 3]).reshape([b, t, c]).matmul(operand(wo)).add(operand(bo));
  },
};

/** [batch, time, features] ↔ [time, batch, features]. */
const timeFirst = (x: Tensor) => x.swapAxes(0, 1);
const gates = (z: Tensor, count: number) => z.split(count, -1).map(operand);

const recurrent: Readonly<Record<string, Operation>> = {
  rnn_tanh: ([x, h0, wx, wh, bias]) => {
    const projected = operand(x).matmul(operand(wx)).add(operand(bias));
    const step = (h: Tensor, z: Tensor) => {
      const next = z.add(h.matmul(operand(wh))).tanh();
      return [next, next] as const;
    };
    const [last, all] = scan(step, operand(h0), timeFirst(projected));
    return { output: timeFirst(all), extra: { last_h: last } };
  },
  lstm: ([x, h0, c0, wx, wh, bias], attrs) => {
    const projected = operand(x).matmul(operand(wx)).add(operand(bias));
    const step = ({ h, c }: { h: Tensor; c: Tensor }, z: Tensor) => {
      const [i, f, g, o] = gates(z.add(h.matmul(operand(wh))), 4);
      const cell = sigmoid(operand(f))
        .mul(c)
        .add(sigmoid(operand(i)).mul(operand(g).tanh()));
      const output = sigmoid(operand(o)).mul(cell.tanh());
      return [{ h: output, c: cell }, output] as const;
    };
    const [last, all] = scan(step, { h: operand(h0), c: operand(c0) }, timeFirst(projected));
    const output = attrs.return === "last_c" ? last.c : timeFirst(all);
    return { output, extra: { last_h: last.h, last_c: last.c } };
  },
  gru: ([x, h0, wx, wh, bx, bh]) => {
    const projected = operand(x).matmul(operand(wx)).add(operand(bx));
    const step = (h: Tensor, fromInput: Tensor) => {
      const [xr, xz, xn] = gates(fromInput, 3);
      const [hr, hz, hn] = gates(h.matmul(operand(wh)).add(operand(bh)), 3);
      const reset = sigmoid(operand(xr).add(operand(hr)));
      const update = sigmoid(operand(xz).add(operand(hz)));
      const candidate = operand(xn)
        .add(reset.mul(operand(hn)))
        .tanh();
      const next = candidate.sub(update.mul(candidate)).add(update.mul(h));
      return [next, next] as const;
    };
    const [last, all] = scan(step, operand(h0), timeFirst(projected));
    return { output: timeFirst(all), extra: { last_h: last } };
  },
};

export const layers: Readonly<Record<string, Operation>> = {
  ...losses,
  ...normalisations,
  ...attention,
  ...recurrent,
};
