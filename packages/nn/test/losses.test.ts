import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Tensor } from "@weft/tensor";
import { ShapeError, grad, tensor, vmap, zeros } from "@weft/tensor";
import {
  accuracy,
  binaryAccuracy,
  binaryCrossEntropy,
  meanAbsoluteError,
  meanSquaredError,
  softmaxCrossEntropy,
} from "@weft/nn";

const f64 = { dtype: "f64" } as const;
const labels = (...values: number[]) => tensor(values, { dtype: "i32" });

describe("softmaxCrossEntropy", () => {
  // Values of PyTorch 1.13.0.
  const logits = tensor(
    [
      [-0.046875, 1.359375, 0.328125, 0.546875],
      [-1.171875, -0.859375, 1.609375, 1.546875],
      [-1.359375, 0.296875, -0.015625, 0.640625],
    ],
    f64,
  );
  const each = [1.5280781301959987, 3.5165293851905672, 1.203781287108685];

  test("is the mean of −log softmax at the labels", () => {
    const mean = each.reduce((sum, value) => sum + value, 0) / 3;
    expect(softmaxCrossEntropy(logits, labels(3, 0, 1)).itemSync()).toBeCloseTo(mean, 12);
  });

  test("takes probabilities, of which one-hot labels are a case", () => {
    const soft = tensor(
      [
        [-1.265625, 1.765625, 1.140625, -0.671875],
        [-1.484375, -0.765625, 1.578125, 0.234375],
        [1.921875, -0.921875, 0.359375, 1.484375],
      ],
      f64,
    );
    const targets = tensor(
      [
        [0.265625, 0.0625, 0.34375, 0.328125],
        [0.296875, 0.3125, 0.15625, 0.234375],
        [0.390625, 0.0625, 0.203125, 0.34375],
      ],
      f64,
    );
    expect(softmaxCrossEntropy(soft, targets).itemSync()).toBeCloseTo(1.974398095897172, 12);
    const oneHot = tensor([
      [0, 0, 0, 1],
      [1, 0, 0, 0],
      [0, 1, 0, 0],
    ]);
    const byLabels = softmaxCrossEntropy(logits, labels(3, 0, 1)).itemSync();
    expect(softmaxCrossEntropy(logits, oneHot).itemSync()).toBeCloseTo(byLabels, 12);
  });

  test("takes sequences", () => {
    const steps = logits.reshape([1, 3, 4]);
    const got = softmaxCrossEntropy(steps, tensor([[3, 0, 1]], { dtype: "i32" })).itemSync();
    expect(got).toBeCloseTo(softmaxCrossEntropy(logits, labels(3, 0, 1)).itemSync(), 12);
  });

  test("keeps large logits finite, in value and gradient", () => {
    const large = tensor([[1e4, -1e4, 0]]);
    expect(softmaxCrossEntropy(large, labels(0)).itemSync()).toBe(0);
    expect(softmaxCrossEntropy(large, labels(1)).itemSync()).toBe(2e4);
    expect([...grad(softmaxCrossEntropy)(large, labels(1)).dataSync()]).toEqual([1, -1, 0]);
  });

  test("has softmax minus one-hot, over the batch, for gradient", () => {
    const gradient = grad(softmaxCrossEntropy)(logits, labels(3, 0, 1)).dataSync();
    const wanted = logits.softmax().dataSync();
    [3, 4, 9].forEach((i) => (wanted[i]! -= 1));
    gradient.forEach((value, i) => expect(value).toBeCloseTo((wanted[i] ?? NaN) / 3, 12));
  });

  test("labels of another shape are refused with both shapes", () => {
    expect(() => softmaxCrossEntropy(zeros([4, 3]), tensor([[0], [1], [2], [0]], { dtype: "i32" }))).toThrow(
      /expected labels i32\[4\] or probabilities f32\[4,3\] for logits f32\[4,3\], got i32\[4,1\]; cast labels/,
    );
    expect(() => softmaxCrossEntropy(zeros([4, 3]), zeros([4]))).toThrow(ShapeError);
    expect(() => softmaxCrossEntropy(zeros([]), zeros([4]))).toThrow(ShapeError);
  });
});

describe("binaryCrossEntropy", () => {
  test("is stable at both ends", () => {
    const each = vmap((x: Tensor, t: Tensor) => binaryCrossEntropy(x.expandDims(0), t.expandDims(0)), { in: [0, 0] });
    const values = each(tensor([-90, 90, -90, 90, 0.5], f64), tensor([0, 1, 1, 0, 1], f64)).dataSync();
    [0, 0, 90, 90, 0.4740769841801067].forEach((wanted, i) => expect(values[i]).toBeCloseTo(wanted, 12));
  });

  test("has sigmoid minus target for gradient, at 0 too", () => {
    const x = tensor([0, 0, 2, -3, 80], f64);
    const t = tensor([1, 0, 0.25, 1, 0], f64);
    const gradient = grad(binaryCrossEntropy)(x, t).dataSync();
    const wanted = x.sigmoid().sub(t).div(5).dataSync();
    gradient.forEach((value, i) => expect(value).toBeCloseTo(wanted[i] ?? NaN, 12));
  });

  test("takes whole-number targets, with or without the last axis of size 1", () => {
    const x = tensor([[0.5], [-1]]);
    const wanted = binaryCrossEntropy(x, tensor([[1], [0]])).itemSync();
    expect(binaryCrossEntropy(x, labels(1, 0)).itemSync()).toBe(wanted);
  });
});

test("squared and absolute errors are means over all elements", () => {
  const x = tensor([
    [1, 2],
    [3, 5],
  ]);
  const t = tensor([
    [1, 0],
    [0, 1],
  ]);
  expect(meanSquaredError(x, t).itemSync()).toBe((4 + 9 + 16) / 4);
  expect(meanAbsoluteError(x, t).itemSync()).toBe((2 + 3 + 4) / 4);
});

const elementwise = [meanSquaredError, binaryCrossEntropy, meanAbsoluteError, binaryAccuracy];
test.each(elementwise.map((loss) => [loss.name, loss] as const))(
  "%s refuses what broadcasting would turn into a wrong mean",
  (_, loss) => {
    expect(() => loss(zeros([4, 3]), zeros([3]))).toThrow(
      /predictions f32\[4,3\] and targets f32\[3\] differ; give one/,
    );
    expect(() => loss(zeros([4, 1]), zeros([1, 4]))).toThrow(ShapeError);
    expect(loss(zeros([4, 1]), zeros([4])).shape).toEqual([]);
  },
);

describe("accuracy", () => {
  const predictions = tensor([
    [0.1, 3, -1],
    [2, 1, 0],
    [0, 0, 1],
    [5, 6, 7],
  ]);

  test("counts the most likely class against labels or one-hot targets", () => {
    expect(accuracy(predictions, labels(1, 0, 0, 2)).itemSync()).toBe(0.75);
    const oneHot = tensor([
      [0, 1, 0],
      [1, 0, 0],
      [1, 0, 0],
      [0, 0, 1],
    ]);
    expect(accuracy(predictions, oneHot).itemSync()).toBe(0.75);
  });

  test("is binary for a single logit per example", () => {
    const logits = tensor([[1], [-1], [2], [-2]]);
    expect(accuracy(logits, tensor([[1], [0], [0], [0]])).itemSync()).toBe(0.75);
    expect(accuracy(logits, labels(1, 0, 0, 0)).itemSync()).toBe(0.75);
    expect(accuracy(logits.reshape([4]), labels(1, 0, 0, 0)).itemSync()).toBe(0.75);
  });

  test("refuses targets of another batch", () => {
    expect(() => accuracy(predictions, labels(0, 1))).toThrow(ShapeError);
  });
});

test("the mean of batches of one is the loss or metric of the whole batch", () => {
  const values = fc.array(fc.double({ min: -20, max: 20, noNaN: true }), { minLength: 12, maxLength: 12 });
  const losses = [softmaxCrossEntropy, meanSquaredError, binaryCrossEntropy, accuracy, meanAbsoluteError];
  fc.assert(
    fc.property(values, fc.constantFrom(...losses), fc.boolean(), (data, loss, useLabels) => {
      const predictions = tensor(data, { shape: [4, 3], dtype: "f64" });
      const byLabel = useLabels && (loss === softmaxCrossEntropy || loss === accuracy);
      const targets = byLabel ? labels(2, 0, 1, 1) : predictions.sin().abs();
      const one = (x: Tensor, t: Tensor) => loss(x.expandDims(0), t.expandDims(0));
      const mean = vmap(one, { in: [0, 0] })(predictions, targets)
        .mean()
        .itemSync();
      // Accuracy is f32.
      expect(Math.abs(mean - loss(predictions, targets).itemSync())).toBeLessThan(loss === accuracy ? 1e-6 : 1e-10);
    }),
    { numRuns: 50 },
  );
});
