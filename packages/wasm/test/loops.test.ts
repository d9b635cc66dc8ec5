/** Generated loops: accuracy of the elementary functions, and results that depend neither on position nor on tiles. */
import type { Loop, Tensor, TensorData } from "@weft/tensor";
import { bind, cos, erf, exp, expm1, log, log1p, schedule, sin, tanh, trace } from "@weft/tensor";
import { describe, expect, it } from "vitest";
import type { WasmBackend } from "../src/index.ts";
import { createWasmBackend } from "../src/index.ts";
import { loopKernel } from "../src/loops/loopKernel.ts";
import { randomFloats } from "./randomData.ts";
import { runKernel } from "./runKernel.ts";

const backend = createWasmBackend();
const unfused = createWasmBackend({ relaxed: false });
const f32 = (...shape: number[]) => ({ shape, dtype: "f32" }) as const;

function evaluate(fn: (...inputs: Tensor[]) => Tensor, ...inputs: Float32Array[]): Float32Array {
  return evaluateOn(backend, fn, inputs);
}

function evaluateOn(on: WasmBackend, fn: (...inputs: Tensor[]) => Tensor, inputs: Float32Array[]): Float32Array {
  const program = trace(
    fn,
    inputs.map((input) => f32(input.length)),
  );
  const executable = on.compile(program);
  const [result] = executable.run(inputs) as [Float32Array];
  executable.dispose();
  return result;
}

/** `count` values spread evenly over the range. */
const spread = (low: number, high: number, count = 20001) =>
  Float32Array.from({ length: count }, (_, i) => low + ((high - low) * i) / (count - 1));

/** Largest error in units of the last place of the exact value (or of `floor`, for results near 0). */
function worstError(got: Float32Array, exact: (i: number) => number, floor = 2 ** -126): number {
  return got.reduce((worst, value, i) => {
    const want = exact(i);
    const unit = 2 ** (Math.floor(Math.log2(Math.max(Math.abs(want), floor))) - 23);
    return Math.max(worst, Math.abs(value - want) / unit);
  }, 0);
}

describe("elementary functions", () => {
  const unary: readonly [string, (x: Tensor) => Tensor, (x: number) => number, [number, number], number][] = [
    ["exp", exp, Math.exp, [-86, 88], 2],
    ["expm1", expm1, Math.expm1, [-20, 80], 2.5],
    ["expm1 near 0", expm1, Math.expm1, [-1e-3, 1e-3], 2],
    ["log", log, Math.log, [1e-6, 1e6], 1.5],
    ["log near 1", log, Math.log, [0.5, 2], 2],
    ["log1p", log1p, Math.log1p, [-0.99, 10], 3],
    ["log1p near 0", log1p, Math.log1p, [-1e-4, 1e-4], 3],
    ["tanh", tanh, Math.tanh, [-12, 12], 3.5],
    ["sin", sin, Math.sin, [-1e4, 1e4], 2],
    ["cos", cos, Math.cos, [-1e4, 1e4], 2],
  ];
  for (const [name, fn, exact, [low, high], limit] of unary) {
    it(`${name} is within ${limit} units of the last place on ${low}..${high}`, () => {
      const x = spread(low, high);
      for (const each of [backend, unfused]) {
        expect(worstError(evaluateOn(each, fn, [x]), (i) => exact(x[i]!))).toBeLessThanOrEqual(limit);
      }
    });
  }

  it("erf is within 3 units of the last place, against its series", () => {
    const x = spread(-3, 3, 4001);
    expect(worstError(evaluate(erf, x), (i) => erfSeries(x[i]!), 1e-6)).toBeLessThanOrEqual(3);
  });

  it("pow and atan2 are within 2 and 3 units of the last place", () => {
    const base = spread(0.01, 30, 4001);
    const exponent = Float32Array.from(base, (_, i) => Math.sin(i) * 20);
    const power = evaluate((x, y) => bind("pow", [x, y], {}), base, exponent);
    expect(worstError(power, (i) => base[i]! ** exponent[i]!)).toBeLessThanOrEqual(2);
    const angle = evaluate((y, x) => bind("atan2", [y, x], {}), exponent, spread(-30, 30, 4001));
    const across = spread(-30, 30, 4001);
    expect(worstError(angle, (i) => Math.atan2(exponent[i]!, across[i]!))).toBeLessThanOrEqual(3);
  });

  it("exp reaches infinity and zero where it should, and zero a little before results would be subnormal", () => {
    const x = new Float32Array([88.7, 88.72, 89, 1000, Infinity, -86.9, -87.5, -100, -104, -1000, -Infinity, NaN]);
    const want = Float32Array.from(x, (value) => (value < -87 ? 0 : Math.exp(value)));
    for (const got of [evaluate(exp, x), evaluateOn(unfused, exp, [x])]) {
      want.forEach((value, i) => {
        const isNear = Math.abs(got[i]! - value) <= 2e-7 * Math.abs(value);
        expect(Object.is(got[i], value) || isNear, `exp(${x[i]}) = ${got[i]}, expected ${value}`).toBe(true);
      });
    }
  });
});

/** erf by its Maclaurin series, in double precision. */
function erfSeries(x: number): number {
  let [term, sum] = [x, x];
  for (let n = 1; n < 120; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

describe("determinism", () => {
  it("an element's result does not depend on where it lies", () => {
    const fn = (x: Tensor) => x.exp().tanh().add(x.mul(x).sin()).div(x.abs().add(3));
    const x = randomFloats(1003, 1);
    const whole = evaluate(fn, x);
    for (const start of [1, 2, 3, 501, 1000]) {
      expect(evaluate(fn, x.slice(start))).toEqual(whole.slice(start));
    }
  });

  const loops: Readonly<Record<string, { fn: (...x: Tensor[]) => Tensor; shapes: number[][] }>> = {
    "a long map": { fn: (x, y) => x.mul(y).add(x), shapes: [[100_003], [100_003]] },
    "a map over rows": { fn: (x, y) => x.add(y).exp(), shapes: [[3001, 37], [37]] },
    "a transposed map": {
      fn: (x, y) => x.transpose().sub(y),
      shapes: [
        [123, 457],
        [457, 123],
      ],
    },
    "sums of rows": { fn: (x) => x.exp().sum({ axis: 1 }), shapes: [[301, 1003]] },
    "sums of columns": { fn: (x) => x.mul(x).sum({ axis: 0 }), shapes: [[1003, 301]] },
    "maxima over inner and outer axes": { fn: (x) => x.max({ axis: [0, 2] }), shapes: [[40, 50, 70]] },
  };
  for (const [name, { fn, shapes }] of Object.entries(loops)) {
    it(`${name} gives the same bits however its tiles are divided`, () => {
      const { steps } = schedule(
        trace(
          fn,
          shapes.map((shape) => f32(...shape)),
        ),
      );
      const step = steps[0]!;
      if (step.kind !== "loop" || steps.length !== 1) throw new Error("expected one loop");
      const operands = step.reads.map((buffer) => randomFloats(product(shapes[buffer]!), buffer + 1));
      const kernel = loopKernel(step.loop, { relaxed: false });
      const result = { shape: [product(keptSizes(step.loop))], dtype: "f32" } as const;
      const whole: TensorData = runKernel(kernel, operands, result);
      expect(kernel.tiles).toBeGreaterThan(1);
      expect(whole.every((value) => Number.isFinite(value))).toBe(true);
      for (const splits of [[1], [1, 2, 3], Array.from({ length: kernel.tiles }, (_, i) => i)]) {
        expect(runKernel(kernel, operands, result, splits)).toEqual(whole);
      }
    });
  }
});

const product = (sizes: readonly number[]) => sizes.reduce((size, n) => size * n, 1);
const keptSizes = ({ sizes, kept }: Loop) => sizes.slice(0, kept);

it("transposed operands of every size are read where they lie", () => {
  for (const [rows, columns] of [
    [8, 8],
    [17, 9],
    [9, 17],
    [64, 35],
    [7, 40],
  ] as const) {
    const [x, y] = [randomFloats(3 * rows * columns, rows), randomFloats(3 * rows * columns, columns)];
    const program = trace(
      (a, b, c) => a.transpose([0, 2, 1]).mul(c).sub(b),
      [f32(3, rows, columns), f32(3, columns, rows), f32(rows)],
    );
    const scale = randomFloats(rows, 5);
    const [got] = backend.compile(program).run([x, y, scale]) as [Float32Array];
    const want = y.map((value, i) => {
      const [plane, column, row] = [Math.floor(i / (rows * columns)), Math.floor(i / rows) % columns, i % rows];
      return Math.fround(x[(plane * rows + row) * columns + column]! * scale[row]!) - value;
    });
    expect(got).toEqual(want);
  }
});

it("the largest of a row is its NaN, wherever it stands, and -Infinity where all are", () => {
  for (const size of [1, 3, 4, 33, 40, 5003]) {
    for (const at of new Set([0, 1, size >> 1, size - 1].filter((place) => place < size))) {
      const x = randomFloats(3 * size, size);
      const largest = x.slice(0, size).reduce((a, b) => Math.max(a, b));
      x[size + at] = NaN;
      x.fill(-Infinity, 2 * size);
      expect([...evaluate((t) => t.reshape([3, size]).max({ axis: 1 }), x)]).toEqual([largest, NaN, -Infinity]);
    }
  }
});

it("a sum of two million terms keeps six digits", () => {
  const x = randomFloats(2_000_000, 3).map((value) => value + 1);
  const exact = x.reduce((sum, value) => sum + value, 0);
  expect(Math.abs(evaluate((t) => t.sum(), x)[0]! / exact - 1)).toBeLessThan(1e-6);
});
