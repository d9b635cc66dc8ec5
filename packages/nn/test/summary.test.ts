import { describe, expect, test } from "vitest";
import type { Tensor } from "@weft/tensor";
import {
  batchNorm,
  conv2d,
  define,
  dense,
  dropout,
  embedding,
  flatten,
  lstm,
  maxPool2d,
  multiHeadAttention,
  normal,
  relu,
  sequential,
  times,
  transformerBlock,
} from "@weft/nn";
import { summarize, summary } from "@weft/nn/summary";

const mnist = sequential(
  conv2d({ features: 32, kernel: 3 }),
  relu,
  maxPool2d({ window: 2 }),
  flatten,
  dense({ features: 128 }),
  relu,
  dropout({ rate: 0.5 }),
  dense({ features: 10 }),
);
const gpt = define(({ layer, parameter }) => {
  const embed = layer("embed", embedding({ vocabulary: 65, features: 128 }));
  const position = parameter("position", [64, 128], normal({ std: 0.02 }));
  const blocks = times(4, (i) => layer(`block${i}`, transformerBlock({ heads: 4, causal: true })));
  const head = layer("head", dense({ features: 65 }));
  return (tokens: Tensor) => head(blocks.reduce((x, block) => block(x), embed(tokens).add(position)));
});
const tokens = { shape: [12, 64], dtype: "i32" } as const;

describe("summary", () => {
  test("is a table of layers for one example, whatever the batch", () => {
    const text = summary(mnist, { shape: [32, 28, 28, 1], dtype: "f32" });
    expect(`\n${text}\n`).toMatchInlineSnapshot(`
      "
      layer         output    parameters   FLOPs   memory
      ───────────────────────────────────────────────────
      conv2d        26×26×32         320   411 K  84.5 KB
      relu          26×26×32           0  43.3 K  84.5 KB
      maxPool2d     13×13×32           0  21.6 K  21.1 KB
      flatten       5408               0       0  21.1 KB
      dense         128          692,352  1.38 M    512 B
      relu_1        128                0     256    512 B
      dropout       128                0       0    512 B
      dense_1       10             1,290  2.57 K     40 B

      693,962 parameters (2.65 MB as f32)
      forward pass of one example: 1.86 M FLOPs, at most 2.92 MB at once
      "
    `);
    expect(summary(mnist, { shape: [1, 28, 28, 1], dtype: "f32" })).toBe(text);
  });

  test("goes into layers as deep as told, and leaves nothing out", () => {
    expect(`\n${summary(gpt, tokens)}\n`).toMatchInlineSnapshot(`
      "
      layer                      output  parameters   FLOPs   memory
      ──────────────────────────────────────────────────────────────
      embed (embedding)          64×128       8,320       0  32.0 KB
      block0 (transformerBlock)  64×128     198,272  27.7 M  32.0 KB
      block1 (transformerBlock)  64×128     198,272  27.7 M  32.0 KB
      block2 (transformerBlock)  64×128     198,272  27.7 M  32.0 KB
      block3 (transformerBlock)  64×128     198,272  27.7 M  32.0 KB
      head (dense)               64×65        8,385  1.07 M  16.3 KB
      (between layers)                        8,192  8.19 K

      817,985 parameters (3.12 MB as f32)
      forward pass of one example: 112 M FLOPs, at most 3.65 MB at once
      "
    `);
    const deep = summary(gpt, tokens, { depth: 3 });
    expect(deep).toContain("block3.attn.qkv (dense)");
    for (const depth of [1, 2, 3, Infinity]) {
      const { layers, rest, parameters, flops } = summarize(gpt, tokens, { depth });
      const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
      expect(sum(layers.map((layer) => layer.parameters)) + rest.parameters).toBe(parameters);
      expect(sum(layers.map((layer) => layer.flops)) + rest.flops).toBe(flops);
    }
  });

  test("stays within 80 columns, however long the names", () => {
    const long = define(({ layer }) => {
      const inner = layer("aNameThatGoesOnAndOnUntilNobodyRemembersHowItBeganOrWhereItEnds", mnist);
      return (x) => inner(x);
    });
    const input = { shape: [1, 28, 28, 1], dtype: "f32" } as const;
    const lines = [1, 2].flatMap((depth) => summary(long, input, { depth }).split("\n"));
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test("tells a single layer, and running statistics", () => {
    expect(summary(dense({ features: 3 }), { shape: [1, 2], dtype: "f32" }).split("\n")[2]).toMatch(
      /^dense +3 +9 +15 /,
    );
    const { statistics, parameters } = summarize(batchNorm(), { shape: [8, 5], dtype: "f32" });
    expect([statistics, parameters]).toEqual([10, 20]);
    expect(summary(batchNorm(), { shape: [8, 5], dtype: "f32" })).toContain("20 parameters (80 B as f32), 10 of them");
  });
});

describe("summarize", () => {
  test("counts a multiply-add as two operations", () => {
    const { flops } = summarize(dense({ features: 3, useBias: false }), { shape: [7, 5], dtype: "f32" });
    expect(flops).toBe(2 * 5 * 3);
  });

  test("counts every step of a loop", () => {
    const flopsOf = (time: number) => summarize(lstm({ features: 8 }), { shape: [1, time, 4], dtype: "f32" }).flops;
    expect(flopsOf(20) / flopsOf(10)).toBeCloseTo(2, 1);
  });

  test("counts what comes from another layer where it was made", () => {
    const crossed = define(({ layer }) => {
      const encoder = layer("encoder", dense({ features: 8 }));
      const attend = layer("attend", multiHeadAttention({ heads: 2 }));
      return (x) => attend(x, { memory: encoder(x) });
    });
    const plain = define(({ layer }) => {
      const attend = layer("attend", multiHeadAttention({ heads: 2 }));
      return (x) => attend(x, { memory: x });
    });
    const input = { shape: [1, 6, 8], dtype: "f32" } as const;
    const attendOf = (model: typeof crossed) =>
      summarize(model, input, { depth: 1 }).layers.find(({ path }) => path === "attend")?.flops;
    expect(attendOf(crossed)).toBe(attendOf(plain));
  });
});
