import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { expect, test } from "vitest";
import type { Dataset } from "@weft/data";
import { assembleBatch, checkContract, digits, mnist, syntheticRegression, xor } from "@weft/data";
import { digits as browserDigits, mnist as browserMnist } from "../src/browser.ts";

const labelCounts = ({ columns: [, labels] }: Dataset) => {
  const counts = new Array<number>(10).fill(0);
  for (const label of labels ?? []) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
};

test("MNIST has 60,000 and 10,000 examples with the known label counts and mean", async () => {
  const { train, test } = await mnist().load();
  expect([train.size, test.size]).toEqual([60_000, 10_000]);
  checkContract(train, train.contract);
  expect(labelCounts(train)).toEqual([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
  expect(labelCounts(test)).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
  const [images = []] = train.columns;
  let sum = 0;
  for (const pixel of images) sum += pixel;
  expect(sum / images.length / 255).toBeCloseTo(0.1307, 4);
  expect(assembleBatch(train, [0, 1, 2], 3).fields[1]).toEqual(Int32Array.of(5, 0, 4));
});

test("digits has 1,437 and 360 examples, disjoint, of the known labels", async () => {
  const { train, test } = await digits().load();
  expect([train.size, test.size]).toEqual([1437, 360]);
  checkContract(train, train.contract);
  checkContract(test, test.contract);
  const total = labelCounts(train).map((count, label) => count + (labelCounts(test)[label] ?? 0));
  expect(total).toEqual([178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
  const batch = assembleBatch(test, [0], 1);
  expect(batch.fields[0]?.slice(0, 8)).toEqual(Float32Array.of(0, 0, 5 / 16, 13 / 16, 9 / 16, 1 / 16, 0, 0));
  expect(batch.fields[1]?.[0]).toBe(0);
});

test("exclusive or has its four rows", async () => {
  const { train } = await xor().load();
  checkContract(train, train.contract);
  const { fields } = assembleBatch(train, [0, 1, 2, 3], 4);
  expect(fields.map((values) => [...values])).toEqual([
    [0, 0, 0, 1, 1, 0, 1, 1],
    [0, 1, 1, 0],
  ]);
});

test("synthetic regression is linear up to its noise, and the same for the same seed", async () => {
  const options = { examples: 500, features: 3, noise: 0, seed: 5 };
  const { train, test } = await syntheticRegression(options).load();
  expect([train.size, test.size]).toEqual([400, 100]);
  checkContract(train, train.contract);
  expect(await syntheticRegression(options).load()).toEqual({ train, test });
  expect(await syntheticRegression({ ...options, seed: 6 }).load()).not.toEqual({ train, test });

  // The differences between noisy and noiseless targets are the noise.
  const noisy = (await syntheticRegression({ ...options, noise: 0.5 }).load()).train.columns[1] ?? [];
  const clean = (await syntheticRegression({ ...options, noise: 1e-9 }).load()).train.columns[1] ?? [];
  const noise = Array.from(noisy, (y, i) => y - (clean[i] ?? 0));
  const deviation = Math.sqrt(noise.reduce((sum, x) => sum + x * x, 0) / noise.length);
  expect(deviation).toBeGreaterThan(0.45);
  expect(deviation).toBeLessThan(0.55);

  // Noiseless targets are linear: y(a) - y(b) is explained by four rows' exact solution, so residuals of least squares vanish.
  const [x, y] = train.columns;
  expect(leastSquaresResidual(x ?? new Float32Array(), y ?? new Float32Array(), 3)).toBeLessThan(1e-6);
});

test("in a browser, datasets kept in files say who serves them", async () => {
  await expect(browserMnist().load()).rejects.toThrow(/mnist: a browser has no dataset files; the coordinator serves/);
  await expect(browserDigits().load()).rejects.toThrow(/digits/);
});

test("the browser's face bundles without anything of Node", async () => {
  const { errors, outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("../src/browser.ts", import.meta.url))],
    bundle: true,
    platform: "browser",
    format: "esm",
    conditions: ["weft-source"],
    write: false,
  });
  expect(errors).toEqual([]);
  expect(outputFiles[0]?.text).not.toMatch(/["']node:/);
});

/** Largest residual of y ≈ w·x + c, by gradient descent on a well-conditioned problem. */
function leastSquaresResidual(x: ArrayLike<number>, y: ArrayLike<number>, features: number): number {
  const weights = new Float64Array(features + 1);
  const feature = (row: number, i: number) => (i === features ? 1 : (x[row * features + i] ?? 0));
  const residual = (row: number) =>
    (y[row] ?? 0) - weights.reduce((sum, weight, i) => sum + weight * feature(row, i), 0);
  for (let step = 0; step < 400; step++) {
    const residuals = Array.from({ length: y.length }, (_, row) => residual(row));
    weights.forEach((_, i) => {
      weights[i]! += (0.8 / y.length) * residuals.reduce((sum, r, row) => sum + r * feature(row, i), 0);
    });
  }
  return Math.max(...Array.from({ length: y.length }, (_, row) => Math.abs(residual(row))));
}
