import { describe, expect, test } from "vitest";
import type { Tensor } from "@weft/tensor";
import { ShapeError, grad, tensor, vmap, zeros } from "@weft/tensor";
import {
  ModelError,
  binaryCrossEntropy,
  cosineDistance,
  cosineSimilarity,
  hinge,
  huber,
  klDivergence,
  meanSquaredError,
  softmaxCrossEntropy,
} from "@weft/nn";

const f64 = { dtype: "f64" } as const;
const i32 = { dtype: "i32" } as const;
const values = (x: Tensor) => [...x.dataSync()];
const expectClose = (x: Tensor, wanted: readonly number[]) => {
  const got = values(x);
  expect(got).toHaveLength(wanted.length);
  wanted.forEach((value, i) => expect(got[i]).toBeCloseTo(value, 12));
};

const logits = tensor([[1, -2, 0.5], [0, 3, -1], [2, 2, 2], [-1, 0, 4]], f64); // prettier-ignore
const labels = tensor([0, 2, 1, 2], i32);
const each = values(softmaxCrossEntropy(logits, labels, { reduction: "none" }));
const at = (i: number) => each[i] ?? NaN;

describe("reductions", () => {
  test("of the whole are mean, sum, or none", () => {
    const sum = each.reduce((total, loss) => total + loss, 0);
    expect(softmaxCrossEntropy(logits, labels, { reduction: "sum" }).itemSync()).toBeCloseTo(sum, 12);
    expect(softmaxCrossEntropy(logits, labels).itemSync()).toBeCloseTo(sum / 4, 12);
    expect(meanSquaredError(logits, zeros([4, 3]), { reduction: "none" }).shape).toEqual([4, 3]);
  });

  test("weights scale losses and leave the divisor alone, so batches of one keep theirs", () => {
    const weights = tensor([1, 0, 2, 0.5], f64);
    const wanted = (at(0) + 2 * at(2) + 0.5 * at(3)) / 4;
    expect(softmaxCrossEntropy(logits, labels, { weights }).itemSync()).toBeCloseTo(wanted, 12);
    expect(softmaxCrossEntropy(logits, labels, { weights: [1, 0, 2, 0.5] }).itemSync()).toBeCloseTo(wanted, 12);
    const one = (x: Tensor, label: Tensor, weight: Tensor) =>
      softmaxCrossEntropy(x.expandDims(0), label.expandDims(0), { weights: weight.expandDims(0) });
    expect(vmap(one)(logits, labels, weights).mean().itemSync()).toBeCloseTo(wanted, 12);
  });

  test("a mask takes losses out of sum and mean, whatever they are", () => {
    const mask = tensor([true, false, true, false]);
    const unbounded = logits.add(tensor([[0], [Infinity], [0], [0]], f64));
    expect(softmaxCrossEntropy(logits, labels, { mask }).itemSync()).toBeCloseTo((at(0) + at(2)) / 2, 12);
    expect(softmaxCrossEntropy(unbounded, labels, { mask }).itemSync()).toBeCloseTo((at(0) + at(2)) / 2, 12);
    expectClose(softmaxCrossEntropy(logits, labels, { mask, reduction: "none" }), [at(0), 0, at(2), 0]);
    expect(softmaxCrossEntropy(logits, labels, { mask: tensor([0, 0, 0, 0]) }).itemSync()).toBe(0);
    // One entry per example covers all its elements.
    expect(meanSquaredError(logits, zeros([4, 3]), { mask }).itemSync()).toBeCloseTo((1 + 4 + 0.25 + 12) / 6, 12);
  });

  test("masks and weights of another batch are refused", () => {
    expect(() => softmaxCrossEntropy(logits, labels, { mask: tensor([true]) })).toThrow(
      /softmaxCrossEntropy: mask bool\[1\] do not belong to losses f64\[4\]; give one for each example/,
    );
    expect(() => meanSquaredError(logits, logits, { weights: zeros([3]) })).toThrow(ShapeError);
  });
});

describe("softmaxCrossEntropy", () => {
  test("smoothing moves labels towards even odds", () => {
    const soft = tensor([[1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 0, 1]], f64).mul(0.9).add(0.1 / 3); // prettier-ignore
    const wanted = softmaxCrossEntropy(logits, soft).itemSync();
    expect(softmaxCrossEntropy(logits, labels, { labelSmoothing: 0.1 }).itemSync()).toBeCloseTo(wanted, 12);
  });

  test("class weights scale the loss of each class", () => {
    const got = softmaxCrossEntropy(logits, labels, { classWeights: [2, 3, 5], reduction: "none" });
    expectClose(got, [2 * at(0), 5 * at(1), 3 * at(2), 5 * at(3)]);
    expect(() => softmaxCrossEntropy(logits, labels, { classWeights: [1, 2] })).toThrow(
      /expected classWeights \[3\], one for each class, got f64\[2\]; for weights of examples use weights/,
    );
  });

  test("ignored labels count neither in the sum nor in the mean, nor for the gradient", () => {
    const some = tensor([0, -100, 1, -100], i32);
    const loss = (x: Tensor) => softmaxCrossEntropy(x, some, { ignoreIndex: -100 });
    expect(loss(logits).itemSync()).toBeCloseTo((at(0) + at(2)) / 2, 12);
    expect(values(grad(loss)(logits).at(1))).toEqual([0, 0, 0]);
    const both = softmaxCrossEntropy(logits, some, { ignoreIndex: -100, mask: tensor([1, 1, 0, 1]) });
    expect(both.itemSync()).toBeCloseTo(at(0), 12);
    expect(() => softmaxCrossEntropy(logits, logits, { ignoreIndex: 0 })).toThrow(/needs labels.*use mask instead/);
  });

  test("of sequences, steps are what counts", () => {
    const steps = logits.reshape([2, 2, 3]);
    const byStep = softmaxCrossEntropy(steps, labels.reshape([2, 2]), { mask: tensor([[1, 1], [1, 0]]) }); // prettier-ignore
    expect(byStep.itemSync()).toBeCloseTo((at(0) + at(1) + at(2)) / 3, 12);
  });

  test("an impossible smoothing is refused", () => {
    expect(() => softmaxCrossEntropy(logits, labels, { labelSmoothing: 1 })).toThrow(ModelError);
  });
});

describe("binaryCrossEntropy", () => {
  const x = tensor([[2, -1], [0.5, 3]], f64); // prettier-ignore
  const t = tensor([[1, 0], [1, 1]], f64); // prettier-ignore
  const plain = values(binaryCrossEntropy(x, t, { reduction: "none" }));

  test("positive weights scale the loss of positive targets, for each output if told so", () => {
    const [a = NaN, b = NaN, c = NaN, d = NaN] = plain;
    expectClose(binaryCrossEntropy(x, t, { positiveWeight: 3, reduction: "none" }), [3 * a, b, 3 * c, 3 * d]);
    expectClose(binaryCrossEntropy(x, t, { positiveWeight: [3, 5], reduction: "none" }), [3 * a, b, 3 * c, 5 * d]);
  });

  test("smoothing moves targets towards ½", () => {
    const wanted = binaryCrossEntropy(x, t.mul(0.8).add(0.1)).itemSync();
    expect(binaryCrossEntropy(x, t, { labelSmoothing: 0.2 }).itemSync()).toBeCloseTo(wanted, 12);
  });
});

test("the divergence is zero for equal distributions, and takes targets of probability 0", () => {
  const logQ = logits.logSoftmax();
  expect(klDivergence(logQ, logits.softmax()).itemSync()).toBeCloseTo(0, 12);
  expect(klDivergence(logQ, logQ, { logTargets: true }).itemSync()).toBeCloseTo(0, 12);
  const certain = tensor([[1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 0, 1]], f64); // prettier-ignore
  expectClose(klDivergence(logQ, certain, { reduction: "none" }), each);
});

test("huber is a square near and a line far", () => {
  const got = huber(tensor([0, 0.5, 3, -4], f64), zeros([4]), { delta: 2, reduction: "none" });
  expectClose(got, [0, 0.125, 4, 6]);
  expect(() => huber(logits, logits, { delta: 0 })).toThrow(/delta must be above 0/);
});

test("hinge wants a margin of one, for targets ±1 or 0 and 1", () => {
  const x = tensor([0.5, -3, 2, 0.25], f64);
  expectClose(hinge(x, tensor([1, -1, -1, 1]), { reduction: "none" }), [0.5, 0, 3, 0.75]);
  expect(hinge(x, tensor([1, 0, 0, 1])).itemSync()).toBe(hinge(x, tensor([1, -1, -1, 1])).itemSync());
});

test("the cosine is of directions alone, and finite at zero", () => {
  const a = tensor([[1, 0], [2, 2], [0, 0]], f64); // prettier-ignore
  const b = tensor([[-3, 0], [5, 5], [1, 0]], f64); // prettier-ignore
  expectClose(cosineSimilarity(a, b), [-1, 1, 0]);
  expectClose(cosineDistance(a, b, { reduction: "none" }), [2, 0, 1]);
  expect(values(grad(cosineDistance)(a, b)).every(Number.isFinite)).toBe(true);
});
