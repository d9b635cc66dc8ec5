/** Initialisers against the distributions of vectors/init.json; five standard errors of leave. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { key } from "@weft/tensor";
import type { Initializer } from "@weft/nn";
import { constant, glorotNormal, glorotUniform, heNormal, heUniform, normal, ones, uniform, zeros } from "@weft/nn";

interface Case {
  readonly name: string;
  readonly init: "xavier_uniform" | "xavier_normal" | "he_uniform" | "he_normal" | "lecun_uniform" | "lecun_normal";
  readonly shape: readonly number[];
  readonly gain: number;
  readonly mode?: "fan_in" | "fan_out";
  readonly std: number;
  readonly limit?: number;
  readonly excess_kurtosis: number;
  readonly samples: number;
  readonly std_rel_sd: number;
  readonly mean_sd: number;
}

const { cases } = JSON.parse(readFileSync(new URL("vectors/init.json", import.meta.url), "utf8")) as { cases: Case[] };

function initializerOf({ init, gain, mode }: Case): Initializer {
  const fan = mode === "fan_out" ? "out" : "in";
  switch (init) {
    case "xavier_uniform":
      return glorotUniform({ gain });
    case "xavier_normal":
      return glorotNormal({ gain });
    case "he_uniform":
    case "lecun_uniform":
      return heUniform({ gain, fan });
    case "he_normal":
    case "lecun_normal":
      return heNormal({ gain, fan });
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

describe.each(cases)("$name", (wanted) => {
  test("has the mean, deviation, bounds and tails of its formula", () => {
    const values = initializerOf(wanted)(key(20), wanted.shape).dataSync() as Float32Array;
    expect(values).toHaveLength(wanted.samples);
    const { mean, std, excessKurtosis, largest } = moments(values);
    expect(Math.abs(mean)).toBeLessThanOrEqual(5 * wanted.mean_sd);
    expect(Math.abs(std / wanted.std - 1)).toBeLessThanOrEqual(5 * wanted.std_rel_sd);
    expect(Math.abs(excessKurtosis - wanted.excess_kurtosis)).toBeLessThanOrEqual(5 * Math.sqrt(24 / wanted.samples));
    if (wanted.limit !== undefined) {
      expect(largest).toBeLessThanOrEqual(wanted.limit * (1 + 1e-6));
      expect(largest).toBeGreaterThanOrEqual(0.99 * wanted.limit);
    }
  });
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
