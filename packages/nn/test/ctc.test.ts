import { expect, test } from "vitest";
import { grad, normal, key, tensor } from "@weft/tensor";
import { ctc } from "@weft/nn/ctc";

/** −log Σ over all paths of `steps` classes that spell `labels`, by trying each. */
function byEnumeration(logP: readonly (readonly number[])[], labels: readonly number[], blank: number): number {
  const spelled = (path: readonly number[]) =>
    path.filter((label, t) => label !== blank && label !== path[t - 1]).join() === labels.join();
  let total = 0;
  const extend = (path: readonly number[], log: number): void => {
    const here = logP[path.length];
    if (here) here.forEach((value, label) => extend([...path, label], log + value));
    else if (spelled(path)) total += Math.exp(log);
  };
  extend([], 0);
  return -Math.log(total);
}

const logits = normal(key(4), [3, 5, 4], { dtype: "f64" });
const rowsOf = (example: number, steps: number) => {
  const all = [...logits.logSoftmax().at(example).dataSync()];
  return Array.from({ length: steps }, (_, t) => all.slice(4 * t, 4 * t + 4));
};

test.each([0, 3])("sums over every way to spell the labels, with blank %i", (blank) => {
  const first = blank === 0 ? 1 : 0;
  const labels = [[first, 2, 2], [2, -1, -1], [-1, -1, -1]]; // prettier-ignore
  const got = ctc(logits, tensor(labels, { dtype: "i32" }), { blank, reduction: "none" }).dataSync();
  labels.forEach((row, i) => {
    const wanted = byEnumeration(rowsOf(i, 5), row.filter((label) => label >= 0), blank); // prettier-ignore
    expect(got[i]).toBeCloseTo(wanted, 10);
  });
});

test("steps beyond an example's length do not count", () => {
  const labels = tensor([[1, 2], [3, -1], [1, 1]], { dtype: "i32" }); // prettier-ignore
  const got = ctc(logits, labels, { lengths: tensor([2, 4, 3], { dtype: "i32" }), reduction: "none" }).dataSync();
  expect(got[0]).toBeCloseTo(byEnumeration(rowsOf(0, 2), [1, 2], 0), 10);
  expect(got[1]).toBeCloseTo(byEnumeration(rowsOf(1, 4), [3], 0), 10);
  expect(got[2]).toBeCloseTo(byEnumeration(rowsOf(2, 3), [1, 1], 0), 10);
});

test("the gradient is that of the loss, and finite where labels do not fit", () => {
  const labels = tensor([[1, 2], [3, -1], [1, 1]], { dtype: "i32" }); // prettier-ignore
  const gradient = grad(ctc)(logits, labels).dataSync();
  const moved = [...logits.dataSync()];
  for (const i of [0, 17, 38, 59]) {
    const lossAt = (step: number) =>
      ctc(tensor(moved.with(i, (moved[i] ?? 0) + step), { shape: [3, 5, 4], dtype: "f64" }), labels).itemSync();
    expect(gradient[i]).toBeCloseTo((lossAt(1e-5) - lossAt(-1e-5)) / 2e-5, 8);
  }
  const tooLong = tensor([[1, 1, 1, 1, 1], [1, 2, 3, 2, 1], [1, 2, -1, -1, -1]], { dtype: "i32" }); // prettier-ignore
  expect(ctc(logits, tooLong, { reduction: "none" }).dataSync()[0]).toBeGreaterThan(1e29);
  expect(grad(ctc)(logits, tooLong).dataSync().every(Number.isFinite)).toBe(true);
});

test("labels of another shape are refused", () => {
  expect(() => ctc(logits, tensor([1, 2, 3], { dtype: "i32" }))).toThrow(
    /ctc: expected logits .* fill short labels up/,
  );
});
