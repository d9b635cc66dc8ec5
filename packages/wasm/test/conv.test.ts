import type { ConvParams, Shape } from "@weft/tensor";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { convInputGradientKernel, convKernel } from "../src/kernels/conv.ts";
import { convKernelGradientKernel } from "../src/kernels/convKernelGradient.ts";
import type { KernelSource } from "../src/kernel.ts";
import { randomFloats } from "./randomData.ts";
import { runKernel } from "./runKernel.ts";

interface Case {
  readonly batch: number;
  readonly spatial: readonly number[];
  readonly taps: readonly number[];
  /** Channels per group. */
  readonly channels: readonly [input: number, output: number];
  readonly params: ConvParams;
}

const sizeOf = (shape: Shape) => shape.reduce((product, n) => product * n, 1);

function shapesOf({ batch, spatial, taps, channels, params }: Case) {
  const results = spatial.map((size, i) => {
    const [low, high] = params.padding[i]!;
    return Math.floor((size + low + high - (taps[i]! - 1) * params.dilation[i]! - 1) / params.strides[i]!) + 1;
  });
  const { groups } = params;
  return {
    x: [batch, ...spatial, channels[0] * groups],
    kernel: [...taps, channels[0], channels[1] * groups],
    y: [batch, ...results, channels[1] * groups],
  };
}

/** Calls `visit` with the flat indices of every product x · kernel that contributes to y. */
function walk(example: Case, visit: (x: number, kernel: number, y: number) => void): void {
  const { params, channels } = example;
  const { x, kernel, y } = shapesOf(example);
  const flat = (shape: Shape, index: readonly number[]) => index.reduce((at, i, axis) => at * shape[axis]! + i, 0);
  for (const result of indices(y)) {
    const group = Math.floor(result.at(-1)! / channels[1]);
    for (const tap of indices(example.taps)) {
      const position = tap.map(
        (t, i) => result[i + 1]! * params.strides[i]! + t * params.dilation[i]! - params.padding[i]![0],
      );
      if (position.some((p, i) => p < 0 || p >= example.spatial[i]!)) continue;
      for (let c = 0; c < channels[0]; c++) {
        const from = flat(x, [result[0]!, ...position, group * channels[0] + c]);
        visit(from, flat(kernel, [...tap, c, result.at(-1)!]), flat(y, result));
      }
    }
  }
}

function indices(sizes: readonly number[]): number[][] {
  return sizes.reduce<number[][]>(
    (all, size) => all.flatMap((index) => Array.from({ length: size }, (_, i) => [...index, i])),
    [[]],
  );
}

function compare(
  source: KernelSource,
  operands: readonly [Float32Array, Float32Array],
  { shape, truth, label }: { readonly shape: Shape; readonly truth: Float64Array; readonly label: string },
): void {
  const type = { shape, dtype: "f32" } as const;
  const whole = runKernel(source, operands, type);
  truth.forEach((value, i) => {
    if (!(Math.abs(whole[i]! - value) <= 3e-5 * Math.max(1, Math.abs(value))))
      expect.fail(`${label} ${i}: ${whole[i]}, expected ${value}`);
  });
  const cuts = Array.from({ length: Math.min(source.tiles, 20) }, (_, i) => i);
  expect(runKernel(source, operands, type, cuts)).toEqual(whole);
}

function check(example: Case, relaxed = false): void {
  const { params } = example;
  const shapes = shapesOf(example);
  const type = (shape: Shape) => ({ shape, dtype: "f32" }) as const;
  const [x, kernel, dy] = [shapes.x, shapes.kernel, shapes.y].map((shape, i) => randomFloats(sizeOf(shape), i + 1)) as [
    Float32Array<ArrayBuffer>,
    Float32Array<ArrayBuffer>,
    Float32Array<ArrayBuffer>,
  ];
  const [y, dx, dKernel] = [dy, x, kernel].map(({ length }) => new Float64Array(length)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  walk(example, (i, j, k) => {
    y[k]! += x[i]! * kernel[j]!;
    dx[i]! += dy[k]! * kernel[j]!;
    dKernel[j]! += dy[k]! * x[i]!;
  });
  const text = JSON.stringify(example);
  compare(convKernel({ relaxed })([type(shapes.x), type(shapes.kernel)], params), [x, kernel], {
    shape: shapes.y,
    truth: y,
    label: `conv of ${text}`,
  });
  const gradient = { ...params, inputSpatial: example.spatial };
  compare(convInputGradientKernel({ relaxed })([type(shapes.y), type(shapes.kernel)], gradient), [dy, kernel], {
    shape: shapes.x,
    truth: dx,
    label: `convInputGradient of ${text}`,
  });
  const forKernel = { ...params, kernelSpatial: example.taps };
  compare(convKernelGradientKernel({ relaxed })([type(shapes.x), type(shapes.y)], forKernel), [x, dy], {
    shape: shapes.kernel,
    truth: dKernel,
    label: `convKernelGradient of ${text}`,
  });
}

const plain = (rank: number, padding = 0): ConvParams => ({
  strides: Array<number>(rank).fill(1),
  padding: Array<[number, number]>(rank).fill([padding, padding]),
  dilation: Array<number>(rank).fill(1),
  groups: 1,
});

/** A spatial axis that holds at least one window. */
const axis = fc
  .record({
    taps: fc.integer({ min: 1, max: 4 }),
    stride: fc.integer({ min: 1, max: 3 }),
    dilation: fc.integer({ min: 1, max: 2 }),
    padding: fc.tuple(fc.integer({ min: -1, max: 4 }), fc.integer({ min: -1, max: 4 })),
    slack: fc.integer({ min: 0, max: 8 }),
  })
  .map((drawn) => {
    const extent = (drawn.taps - 1) * drawn.dilation + 1;
    return { ...drawn, size: Math.max(1, extent - drawn.padding[0] - drawn.padding[1]) + drawn.slack };
  });

const anyCase = (rank: number) =>
  fc
    .record({
      axes: fc.array(axis, { minLength: rank, maxLength: rank }),
      batch: fc.integer({ min: 1, max: 3 }),
      groups: fc.integer({ min: 1, max: 6 }),
      channels: fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 13 })),
    })
    .map(({ axes, batch, groups, channels }): Case => ({
      batch,
      spatial: axes.map(({ size }) => size),
      taps: axes.map(({ taps }) => taps),
      channels: groups % 2 === 1 ? channels : [1, 1],
      params: {
        strides: axes.map(({ stride }) => stride),
        padding: axes.map(({ padding }) => padding),
        dilation: axes.map(({ dilation }) => dilation),
        groups,
      },
    }));

describe("convolution and its gradients", () => {
  it("work over images with a single channel, as the first layer of a network has", () => {
    check({ batch: 2, spatial: [28, 28], taps: [3, 3], channels: [1, 32], params: plain(2) });
  });

  it("work over many channels", () => {
    check({ batch: 1, spatial: [9, 9], taps: [5, 5], channels: [12, 20], params: plain(2, 2) });
  });

  it("work with strides, and with kernels not small beside their images", () => {
    check({ batch: 2, spatial: [12, 11], taps: [5, 5], channels: [11, 16], params: plain(2) });
    check({
      batch: 1,
      spatial: [13, 14],
      taps: [3, 3],
      channels: [8, 45],
      params: {
        ...plain(2, 1),
        strides: [2, 3],
        groups: 2,
      },
    });
  });

  it("work for 1-D and 2-D with any strides, padding, dilation and groups", () => {
    fc.assert(
      fc.property(anyCase(1), (example) => check(example)),
      { numRuns: 60 },
    );
    fc.assert(
      fc.property(anyCase(2), (example) => check(example)),
      { numRuns: 100 },
    );
  });

  it("work for 3-D and for no spatial axes at all", () => {
    check({ batch: 2, spatial: [4, 5, 6], taps: [2, 3, 2], channels: [3, 5], params: plain(3, 1) });
    check({ batch: 3, spatial: [], taps: [], channels: [3, 5], params: plain(0) });
  });

  it("work channel by channel (depthwise)", () => {
    check({ batch: 1, spatial: [10, 11], taps: [3, 3], channels: [1, 1], params: { ...plain(2, 1), groups: 14 } });
  });

  it("the gradient of an empty batch is zero", () => {
    check({ batch: 0, spatial: [5, 5], taps: [3, 3], channels: [2, 3], params: plain(2) });
  });
});
