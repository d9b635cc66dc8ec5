/** Initialisers against the distributions of vectors/init.json; five standard errors of leave. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { eye, key } from "@weft/tensor";
import type { Initializer } from "@weft/nn";
import {
  constant,
  gainFor,
  glorotNormal,
  glorotUniform,
  heNormal,
  heUniform,
  lecunNormal,
  lecunUniform,
  normal,
  ones,
  orthogonal,
  truncatedNormal,
  uniform,
  varianceScaling,
  zeros,
} from "@weft/nn";

type Kind = "xavier" | "he" | "lecun";
type Distribution = "uniform" | "normal" | "truncated_normal";

interface Case {
  readonly name: string;
  readonly init: `${Kind}_${Distribution}` | "truncated_normal" | "orthogonal";
  readonly shape: readonly number[];
  readonly gain_for: string;
  readonly gain: number;
  readonly mode?: "fan_in" | "fan_out";
  readonly base_sigma?: number;
}

interface Moments extends Case {
  readonly std: number;
  readonly limit?: number;
  readonly excess_kurtosis: number;
  readonly samples: number;
  readonly std_rel_sd: number;
  readonly mean_sd: number;
}

interface Orthogonal extends Case {
  readonly matrix: readonly [rows: number, columns: number];
  readonly frobenius_squared: number;
  readonly gram_atol_f32: number;
}

const { cases, gains } = JSON.parse(readFileSync(new URL("vectors/init.json", import.meta.url), "utf8")) as {
  cases: (Moments | Orthogonal)[];
  gains: Record<string, number>;
};

function initializerOf({ init, gain, mode, base_sigma: std = NaN }: Case): Initializer {
  const fan = mode === "fan_out" ? "out" : "in";
  switch (init) {
    case "xavier_uniform":
      return glorotUniform({ gain });
    case "xavier_normal":
      return glorotNormal({ gain });
    case "xavier_truncated_normal":
      return varianceScaling({ scale: gain * gain, fan: "average", distribution: "truncatedNormal" });
    case "he_uniform":
      return heUniform({ gain, fan });
    case "he_normal":
      return heNormal({ gain, fan });
    case "he_truncated_normal":
      return varianceScaling({ scale: gain * gain, fan, distribution: "truncatedNormal" });
    case "lecun_uniform":
      return lecunUniform();
    case "lecun_normal":
      return lecunNormal();
    case "lecun_truncated_normal":
      return varianceScaling({ distribution: "truncatedNormal" });
    case "truncated_normal":
      return truncatedNormal({ std });
    case "orthogonal":
      return orthogonal({ gain });
  }
}

const moments = (values: Float32Array) => {
  const moment = (power: number, about: number) =>
    values.reduce((sum, value) => sum + (value - about) ** power, 0) / values.length;
  const mean = moment(1, 0);
  const variance = moment(2, mean);
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return { mean, std: Math.sqrt(variance), excessKurtosis: moment(4, mean) / variance ** 2 - 3, largest };
};

const isOrthogonal = (wanted: Moments | Orthogonal): wanted is Orthogonal => "matrix" in wanted;
const isDistribution = (wanted: Moments | Orthogonal): wanted is Moments => !isOrthogonal(wanted);

describe.each(cases.filter(isDistribution))("$name", (wanted) => {
  test("has the mean, deviation, bounds and tails of its formula", () => {
    const values = initializerOf(wanted)(key(20), wanted.shape).dataSync() as Float32Array;
    expect(values).toHaveLength(wanted.samples);
    const { mean, std, excessKurtosis, largest } = moments(values);
    expect(Math.abs(mean)).toBeLessThanOrEqual(5 * wanted.mean_sd);
    expect(Math.abs(std / wanted.std - 1)).toBeLessThanOrEqual(5 * wanted.std_rel_sd);
    expect(Math.abs(excessKurtosis - wanted.excess_kurtosis)).toBeLessThanOrEqual(5 * Math.sqrt(24 / wanted.samples));
    if (wanted.limit !== undefined) {
      expect(largest).toBeLessThanOrEqual(wanted.limit * (1 + 1e-6));
      if (wanted.init.endsWith("uniform")) expect(largest).toBeGreaterThanOrEqual(0.99 * wanted.limit);
    }
  });
});

test.each(cases.filter(isOrthogonal))("$name has orthogonal columns of length gain", (wanted) => {
  const [rows, columns] = wanted.matrix;
  const matrix = initializerOf(wanted)(key(20), wanted.shape).reshape([rows, columns]);
  const [gram, size] = rows >= columns ? [matrix.T.matmul(matrix), columns] : [matrix.matmul(matrix.T), rows];
  const difference = gram.sub(eye(size).mul(wanted.gain ** 2));
  expect(difference.abs().max().itemSync()).toBeLessThanOrEqual(wanted.gram_atol_f32 * wanted.gain ** 2);
  const squares = matrix.mul(matrix).sum().itemSync();
  expect(Math.abs(squares / wanted.frobenius_squared - 1)).toBeLessThan(1e-5);
});

test("a wide orthogonal matrix has orthogonal rows, and every matrix is another draw", () => {
  const [first, second] = [orthogonal()(key(1), [8, 32]), orthogonal()(key(2), [8, 32])];
  expect(first.matmul(first.T).sub(eye(8)).abs().max().itemSync()).toBeLessThan(1e-5);
  expect(first.sub(second).abs().max().itemSync()).toBeGreaterThan(0.1);
  // Of a uniformly distributed matrix, signs are even on both sides of the diagonal and on it.
  const diagonals = [...Array(40).keys()].map((seed) => orthogonal()(key(seed), [2, 2]).at(0, 0).itemSync());
  expect(diagonals.filter((value) => value > 0).length).toBeGreaterThan(10);
  expect(diagonals.filter((value) => value < 0).length).toBeGreaterThan(10);
});

test("gains are those of PyTorch", () => {
  for (const name of ["linear", "relu", "tanh", "selu", "sigmoid"] as const) {
    expect(gainFor(name)).toBeCloseTo(gains[name] ?? NaN, 15);
  }
  expect(gainFor("leakyRelu", 0.2)).toBeCloseTo(gains["leaky_relu_0.2"] ?? NaN, 15);
});

test("He's gain is the one for ReLU unless told otherwise, Glorot's is 1", () => {
  const std = (initializer: Initializer) => moments(initializer(key(1), [50, 50]).dataSync() as Float32Array).std;
  expect(std(heNormal()) / std(heNormal({ gain: 1 }))).toBeCloseTo(Math.SQRT2, 5);
  expect(std(heUniform()) / std(heUniform({ gain: 1 }))).toBeCloseTo(Math.SQRT2, 5);
  expect(std(glorotNormal())).toBeCloseTo(std(heNormal({ gain: 1 })), 5);
});

test("normal and uniform keep their parameters", () => {
  const drawn = moments(normal({ mean: 3, std: 0.5 })(key(1), [10_000]).dataSync() as Float32Array);
  expect(drawn.mean).toBeCloseTo(3, 1);
  expect(drawn.std).toBeCloseTo(0.5, 1);
  const even = uniform({ min: 1, max: 3 })(key(1), [10_000]).dataSync() as Float32Array;
  expect(Math.min(...even)).toBeGreaterThanOrEqual(1);
  expect(Math.max(...even)).toBeLessThanOrEqual(3);
  expect(moments(even).mean).toBeCloseTo(2, 1);
});

test("constants fill, whatever the key", () => {
  const values = [zeros(), ones(), constant(0.5)].map((initializer) => [...initializer(key(0), [2]).dataSync()]);
  expect(values).toEqual([
    [0, 0],
    [1, 1],
    [0.5, 0.5],
  ]);
});
