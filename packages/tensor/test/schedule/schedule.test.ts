/** The scheduler keeps what a program computes, and puts into one loop what belongs together. */
import type { Program, Tensor, TensorData } from "@weft/tensor";
import { concat, full, grad, schedule, simplify, trace } from "@weft/tensor";
import { describeSchedule } from "@weft/tensor/programs";
import { createReferenceBackend } from "@weft/tensor/reference";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { randomPrograms } from "./randomProgram.ts";
import { runSchedule } from "./runSchedule.ts";

const reference = (program: Program, inputs: readonly TensorData[]) =>
  createReferenceBackend().compile(program).run(inputs) as TensorData[];

function expectNear(got: readonly TensorData[], want: readonly TensorData[]): void {
  expect(got.length).toBe(want.length);
  want.forEach((values, output) => {
    expect(got[output]!.length).toBe(values.length);
    values.forEach((value, i) => {
      expect(Math.abs(got[output]![i]! - value), `output ${output}, element ${i}`).toBeLessThanOrEqual(1e-5);
    });
  });
}

const f32 = (...shape: number[]) => ({ shape, dtype: "f32" }) as const;
const stepsOf = (fn: (...inputs: Tensor[]) => Tensor | readonly Tensor[], ...types: ReturnType<typeof f32>[]) =>
  schedule(trace(fn, types)).steps;
const textOf = (fn: (...inputs: Tensor[]) => Tensor | readonly Tensor[], ...types: ReturnType<typeof f32>[]) =>
  describeSchedule(schedule(trace(fn, types)));

describe("random programs", () => {
  it("compute the same after simplification", () => {
    fc.assert(
      fc.property(randomPrograms, ({ program, inputs }) => {
        expectNear(reference(simplify(program), inputs), reference(program, inputs));
      }),
    );
  });

  it("compute the same when scheduled", () => {
    fc.assert(
      fc.property(randomPrograms, ({ program, inputs }) => {
        expectNear(runSchedule(program, schedule(program), inputs), reference(program, inputs));
      }),
      { numRuns: 60 },
    );
  });

  it("read only buffers that were written before", () => {
    fc.assert(
      fc.property(randomPrograms, ({ program }) => {
        const { steps, inputs, literals, outputs } = schedule(program);
        const written = new Set(Array.from({ length: inputs + literals.length }, (_, i) => i));
        for (const step of steps) {
          const reads = step.kind === "loop" ? step.reads : step.reads.map(({ buffer }) => buffer);
          for (const buffer of reads) expect(written.has(buffer)).toBe(true);
          for (const buffer of step.writes) written.add(buffer);
        }
        for (const { buffer } of outputs) expect(written.has(buffer)).toBe(true);
      }),
    );
  });
});

it("infinities of both signs, NaN and zeros of both signs stay apart in one loop", () => {
  const values = [Infinity, -Infinity, NaN, 0, -0];
  const program = trace((x) => values.map((value) => full([2], value).mul(x)), [f32(2)]);
  const results = runSchedule(program, schedule(program), [new Float32Array([1, 2])]);
  expect(results.map(([first]) => first)).toEqual(values);
});

describe("simplification", () => {
  const sizeAfter = (fn: (x: Tensor) => Tensor) => simplify(trace(fn, [f32(3, 4)])).instructions.length;

  it("removes operations that change nothing", () => {
    expect(
      sizeAfter((x) => x.mul(1).div(1).sub(0).neg().neg().transpose().transpose().reshape([12]).reshape([3, 4])),
    ).toBe(0);
  });

  it("keeps x + 0, which turns -0 into 0", () => {
    expect(sizeAfter((x) => x.add(0))).toBeGreaterThan(0);
  });

  it("computes equal expressions once", () => {
    const program = simplify(trace((x) => x.exp().add(x.exp()), [f32(4)]));
    expect(program.instructions.filter(({ primitive }) => primitive === "exp").length).toBe(1);
  });

  it("lets dot read a transposed operand as it lies", () => {
    const program = simplify(trace((x, y) => x.transpose().matmul(y), [f32(3, 4), f32(3, 5)]));
    expect(program.instructions.map(({ primitive }) => primitive)).toEqual(["dot"]);
  });

  it("joins the gradients of slices instead of adding padded ones", () => {
    const loss = (x: Tensor) =>
      x
        .slice([0], [3])
        .exp()
        .sum()
        .add(x.slice([4], [9]).tanh().sum());
    const program = trace((x) => grad(loss)(x), [f32(10)]);
    expect(program.instructions.some(({ primitive }) => primitive === "pad")).toBe(true);
    const names = simplify(program).instructions.map(({ primitive }) => primitive);
    expect(names).toContain("concat");
    expect(names).not.toContain("pad");
    const inputs = [Float32Array.from({ length: 10 }, (_, i) => i / 5)];
    expectNear(reference(simplify(program), inputs), reference(program, inputs));
  });

  it("turns empty reductions and contractions into constants", () => {
    const program = simplify(trace((x, y) => [x.matmul(y), x.sum()], [f32(2, 0), f32(0, 3)]));
    expect(program.instructions.every(({ primitive }) => primitive === "constant")).toBe(true);
  });
});

describe("fusion", () => {
  it("makes one loop of a chain with broadcasts and transposes", () => {
    const steps = stepsOf((x, row, y) => x.mul(2).add(row).tanh().sub(y.transpose()), f32(8, 5), f32(5), f32(5, 8));
    expect(steps.length).toBe(1);
  });

  it("makes one loop of an optimiser's update, with all of its results", () => {
    const steps = stepsOf(
      (w, m, v, g) => {
        const mean = m.mul(0.9).add(g.mul(0.1));
        const square = v.mul(0.99).add(g.mul(g).mul(0.01));
        return [w.sub(mean.div(square.sqrt().add(1e-8))), mean, square];
      },
      ...Array.from({ length: 4 }, () => f32(1000)),
    );
    expect(steps.map((step) => step.writes.length)).toEqual([3]);
  });

  it("computes a reduction's operand inside the reduction", () => {
    expect(stepsOf((x, y) => x.sub(y).mul(x).sum({ axis: 0 }), f32(9, 4), f32(9, 4)).length).toBe(1);
  });

  it("stores a value and its sum in one pass", () => {
    const steps = stepsOf(
      (x) => {
        const e = x.exp();
        return [e, e.sum({ axis: 1 })];
      },
      f32(6, 7),
    );
    expect(steps.length).toBe(1);
  });

  it("reads a contiguous part of a vector where it lies", () => {
    const text = textOf((flat, x) => x.matmul(flat.slice([8], [20]).reshape([4, 3])), f32(30), f32(2, 4));
    expect(text).toMatchInlineSnapshot(`
      "%2:f32[6] = dot(%1:f32[8], %0:f32[30]+8)
      return %2:f32[6]"
    `);
  });

  it("does not repeat costly work for every element of a broadcast", () => {
    const steps = stepsOf((x, row) => x.add(row.exp().log1p()), f32(100, 5), f32(5));
    expect(steps.length).toBe(2);
  });

  it("cuts a chain of thousands of operations into loops of bounded length", () => {
    const steps = stepsOf((x) => Array.from({ length: 3000 }).reduce<Tensor>((y) => y.abs().sqrt(), x), f32(4));
    const lengths = steps.map((step) => (step.kind === "loop" ? step.loop.ops.length : Infinity));
    expect(Math.max(...lengths)).toBeLessThan(300);
  });

  it("writes the pieces of a concat straight into it", () => {
    expect(textOf((x, y) => concat([x.mul(2).reshape([6]), y]), f32(2, 3), f32(4))).toMatchInlineSnapshot(`
      "%2:f32[10] = loop[6] mul(%0:f32[6]<1>, 2)
      %2:f32[10] = loop[4] %1:f32[4]<1>
      return %2:f32[10]"
    `);
  });
});

describe("donation", () => {
  it("copies a result that is an input whose place another result takes", () => {
    const program = trace((x) => [x.mul(2), x], [f32(4)]);
    const { outputs } = schedule(program, { aliases: new Map([[0, 0]]) });
    expect(outputs[1]!.buffer).not.toBe(0);
  });
});
