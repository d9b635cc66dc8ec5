/** Small made-up datasets: exclusive or, and a noisy linear relation. */
import type { DataContract, Dataset, DatasetSource } from "./contract.ts";
import { DataRangeError } from "./errors.ts";
import { bell, createGenerator } from "./generator.ts";

/** The four rows of exclusive or: x f32[2] → y f32[1]. Training and test data are the same. */
export function xor(): DatasetSource {
  const contract: DataContract = {
    fields: [
      { name: "x", shape: [2], dtype: "f32", stored: "u8", scale: 1, range: [0, 1] },
      { name: "y", shape: [1], dtype: "f32", stored: "u8", scale: 1, range: [0, 1] },
    ],
  };
  const columns = [Uint8Array.of(0, 0, 0, 1, 1, 0, 1, 1), Uint8Array.of(0, 1, 1, 0)];
  const dataset: Dataset = { contract, size: 4, columns };
  return { name: "xor", load: () => Promise.resolve({ train: dataset, test: dataset }) };
}

export interface SyntheticRegressionOptions {
  readonly examples: number;
  readonly features: number;
  /** Standard deviation of what is added to y. */
  readonly noise: number;
  readonly seed: number;
}

/**
 * x f32[features] uniform in [-1, 1); y f32[1] = w·x + c + noise with w and c uniform in [-1, 1), all from the seed. The
 * last fifth of the examples is for testing.
 */
export function syntheticRegression(options: SyntheticRegressionOptions): DatasetSource {
  const { examples, features, noise, seed } = options;
  if (!Number.isInteger(examples) || examples < 5 || !Number.isInteger(features) || features < 1) {
    throw new DataRangeError(
      `syntheticRegression: expected at least 5 examples of at least 1 feature, got ${examples} of ${features}`,
    );
  }
  const load = () => {
    const generator = createGenerator("synthetic", seed);
    const uniform = () => 2 * generator.unit() - 1;
    const weights = Array.from({ length: features }, uniform);
    const offset = uniform();
    const x = new Float32Array(examples * features);
    const y = new Float32Array(examples);
    for (let row = 0; row < examples; row++) {
      let sum = offset;
      for (let i = 0; i < features; i++) {
        const value = Math.fround(uniform());
        x[row * features + i] = value;
        sum += weights[i]! * value;
      }
      y[row] = sum + noise * bell(generator.unit);
    }
    const trained = examples - Math.floor(examples / 5);
    const part = (start: number, stop: number): Dataset => ({
      contract: regressionContract(features),
      size: stop - start,
      columns: [x.slice(start * features, stop * features), y.slice(start, stop)],
    });
    return Promise.resolve({ train: part(0, trained), test: part(trained, examples) });
  };
  return { name: "synthetic-regression", load };
}

const regressionContract = (features: number): DataContract => ({
  fields: [
    { name: "x", shape: [features], dtype: "f32", stored: "f32", scale: 1, range: [-1, 1] },
    { name: "y", shape: [1], dtype: "f32", stored: "f32", scale: 1 },
  ],
});
