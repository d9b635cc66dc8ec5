import type { DType, Shape, TensorData, WindowParams } from "@weft/tensor";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { windowKernels } from "../src/kernels/windows.ts";
import { randomFloats, randomIntegers } from "./randomData.ts";
import { runKernel } from "./runKernel.ts";

interface Case {
  readonly x: Shape;
  readonly params: WindowParams;
}

const sizeOf = (shape: Shape) => shape.reduce((product, n) => product * n, 1);

const resultShape = ({ x, params: { window, strides, padding } }: Case): Shape =>
  x.map((size, i) => Math.floor((size + padding[i]![0] + padding[i]![1] - window[i]!) / strides[i]!) + 1);

function indices(sizes: readonly number[]): number[][] {
  return sizes.reduce<number[][]>(
    (all, size) => all.flatMap((index) => Array.from({ length: size }, (_, i) => [...index, i])),
    [[]],
  );
}

/** For each window the flat indices of its cells inside x, in row-major order. */
function cellsOf(example: Case): number[][] {
  const { x, params } = example;
  return indices(resultShape(example)).map((corner) =>
    indices(params.window).flatMap((cell) => {
      const at = cell.map((c, i) => corner[i]! * params.strides[i]! - params.padding[i]![0] + c);
      if (at.some((position, i) => position < 0 || position >= x[i]!)) return [];
      return [at.reduce((flat, position, i) => flat * x[i]! + position, 0)];
    }),
  );
}

function firstMaximum(x: TensorData, cells: readonly number[]): number | undefined {
  let best = cells[0];
  for (const cell of cells) {
    if (best === undefined || Number.isNaN(x[best]!)) break;
    if (x[cell]! > x[best]! || Number.isNaN(x[cell]!)) best = cell;
  }
  return best;
}

const lowest: Partial<Record<DType, number>> = { f32: -Infinity, i32: -(2 ** 31), u32: 0 };

function check(example: Case, { x, dtype = "f32" }: { x?: TensorData; dtype?: "f32" | "i32" | "u32" } = {}): void {
  const { params } = example;
  const random = (size: number, seed: number): TensorData => {
    if (dtype === "f32") return randomFloats(size, seed);
    const integers = randomIntegers(size, seed);
    return dtype === "i32" ? integers : new Uint32Array(integers.buffer);
  };
  const shape = resultShape(example);
  // Few distinct values, so that maxima tie.
  const image = x ?? random(sizeOf(example.x), 1).map((value) => (dtype === "f32" ? Math.round(value * 3) : value));
  const [dy, t] = [random(sizeOf(shape), 2), random(sizeOf(example.x), 3)];
  const cells = cellsOf(example);
  const type = { shape: example.x, dtype };
  const run = (name: keyof typeof windowKernels, operands: readonly TensorData[], result: Shape) => {
    const source = windowKernels[name]([type, type], params);
    const whole = runKernel(source, operands, { shape: result, dtype });
    const cuts = Array.from({ length: source.tiles }, (_, i) => i);
    expect(runKernel(source, operands, { shape: result, dtype }, cuts), name).toEqual(whole);
    return [...whole];
  };
  const close = (values: readonly number[], expected: readonly number[], name: string) => {
    expect(values.length).toBe(expected.length);
    values.forEach((value, i) => {
      if (!(Object.is(value, expected[i]) || Math.abs(value - expected[i]!) <= 1e-5)) {
        expect.fail(`${name} of ${JSON.stringify(example)}, element ${i}: ${value}, expected ${expected[i]}`);
      }
    });
  };
  const winners = cells.map((inside) => firstMaximum(image, inside));
  const maxima = winners.map((cell) => (cell === undefined ? lowest[dtype]! : image[cell]!));
  close(run("windowMax", [image], shape), maxima, "windowMax");
  const picked = winners.map((cell) => (cell === undefined ? 0 : t[cell]!));
  close(run("windowGather", [image, t], shape), picked, "windowGather");
  const sums = cells.map((inside) => inside.reduce((sum, cell) => sum + image[cell]!, 0));
  const wrap = (sum: number) => (dtype === "u32" ? sum >>> 0 : sum);
  close(run("windowSum", [image], shape), sums.map(wrap), "windowSum");
  const scattered = Array<number>(sizeOf(example.x)).fill(0);
  winners.forEach((cell, i) => {
    if (cell !== undefined) scattered[cell] = wrap(scattered[cell]! + dy[i]!);
  });
  close(run("windowScatter", [image, dy], example.x), scattered, "windowScatter");
}

const pool = (x: Shape, window: number, stride = window): Case => ({
  x,
  params: {
    window: [1, window, window, 1],
    strides: [1, stride, stride, 1],
    padding: [
      [0, 0],
      [0, 0],
      [0, 0],
      [0, 0],
    ],
  },
});

describe("windows", () => {
  it("pool images channel by channel", () => {
    check(pool([3, 8, 6, 8], 2));
    check(pool([2, 7, 7, 5], 2));
    check(pool([2, 9, 9, 3], 3, 2));
    check(pool([1, 11, 11, 4], 5, 1));
  });

  it("may slide along any axes, with any strides and padding", () => {
    const axis = fc
      .record({
        window: fc.integer({ min: 1, max: 4 }),
        stride: fc.integer({ min: 1, max: 3 }),
        padding: fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 4 })),
        slack: fc.integer({ min: 0, max: 5 }),
      })
      .map((drawn) => ({
        ...drawn,
        size: Math.max(1, drawn.window - drawn.padding[0] - drawn.padding[1]) + drawn.slack,
      }));
    const still = fc.integer({ min: 1, max: 6 }).map((size) => {
      const padding: [number, number] = [0, 0];
      return { window: 1, stride: 1, padding, size };
    });
    const axes = fc.array(fc.oneof(axis, still), { minLength: 1, maxLength: 4 });
    const dtype = fc.constantFrom("f32", "i32", "u32");
    const property = fc.property(axes, dtype, (drawn, kind) => {
      const example: Case = {
        x: drawn.map(({ size }) => size),
        params: {
          window: drawn.map(({ window }) => window),
          strides: drawn.map(({ stride }) => stride),
          padding: drawn.map(({ padding }) => padding),
        },
      };
      check(example, { dtype: kind as "f32" });
    });
    fc.assert(property, { numRuns: 150 });
  });

  it("NaN wins, the first of several, and the first of equal values", () => {
    const x = Float32Array.from([1, NaN, NaN, 5, 2, 2, 1, 2, -Infinity, -Infinity, -0, 0]);
    check({ x: [3, 2, 2, 1], params: pool([3, 2, 2, 1], 2).params }, { x });
  });

  it("work on scalars and empty arrays", () => {
    check({ x: [], params: { window: [], strides: [], padding: [] } });
    check(pool([0, 4, 4, 3], 2));
    check(pool([2, 4, 4, 0], 2));
  });
});
