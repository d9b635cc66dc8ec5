/** Gradients of every primitive against central differences, in float64 on the reference backend. */
import type { Primitive, Tensor, TensorData } from "@weft/tensor";
import { bind, grad, isFloat, maxPool1d, maximum, minimum, tensor } from "@weft/tensor";
import { describe, expect, it } from "vitest";
import { applySample, drawn, executableOf, weighted } from "./transformRun.ts";
import type { Sample } from "./transformSamples.ts";
import { allSamples, seeded } from "./transformSamples.ts";

const step = 1e-5;

/** ∂ scalar / ∂ inputs[which], element by element, as (f(x + h) - f(x - h)) / 2h. */
function centralDifferences(scalar: (inputs: readonly TensorData[]) => number, inputs: TensorData[], which: number) {
  return [...(inputs[which] ?? [])].map((value, i) => {
    const moved = (by: number) => {
      const changed = (inputs[which] as Float64Array).slice();
      changed[i] = value + by;
      return scalar(inputs.with(which, changed));
    };
    return (moved(step) - moved(-step)) / (2 * step);
  });
}

function expectClose(got: readonly number[], want: readonly number[], tolerance: number): void {
  expect(got.length).toBe(want.length);
  const scale = Math.max(1, ...want.map(Math.abs));
  got.forEach((value, i) => {
    expect(Math.abs(value - (want[i] ?? NaN)) / scale, `element ${i}: ${value} against ${want[i]}`).toBeLessThan(
      tolerance,
    );
  });
}

const differentiated = ({ inputs, rough }: Sample<Primitive>) =>
  [...inputs.keys()].filter((i) => isFloat(inputs[i]?.dtype ?? "i32") && !rough?.includes(i));
const smooth = allSamples().filter(({ sample }) => differentiated(sample).length > 0);

describe.each(smooth)("$name", ({ primitive, sample }) => {
  const inputs = sample.inputs.map((operand, i) => drawn(operand, seeded(i + 7)));
  const argument = differentiated(sample);
  const scalar = (...operands: Tensor[]) => weighted(applySample(primitive, sample, operands), seeded(99));
  const gradients = (...operands: Tensor[]) => grad(scalar, { argument })(...operands);

  it("has the gradient that central differences show", () => {
    const value = executableOf((...operands) => [scalar(...operands)], sample.inputs);
    const computed = executableOf(gradients, sample.inputs)(inputs);
    argument.forEach((which, i) => {
      const want = centralDifferences((moved) => value(moved)[0]?.[0] ?? NaN, inputs, which);
      expectClose(computed[i] ?? [], want, 1e-6);
    });
  });

  it("has the second derivatives that central differences of its gradient show", () => {
    const mixture = (...operands: Tensor[]) => weighted(gradients(...operands), seeded(55));
    const value = executableOf((...operands) => [mixture(...operands)], sample.inputs);
    const computed = executableOf((...operands) => grad(mixture, { argument })(...operands), sample.inputs)(inputs);
    argument.forEach((which, i) => {
      const want = centralDifferences((moved) => value(moved)[0]?.[0] ?? NaN, inputs, which);
      expectClose(computed[i] ?? [], want, 1e-5);
    });
  });
});

const one = (fn: (x: Tensor) => Tensor, at: number) => [...grad((x: Tensor) => fn(x))(tensor(at)).dataSync()];

describe("where a derivative has a choice", () => {
  it("equal maxima share the gradient evenly", () => {
    expect([...grad((x: Tensor) => x.max())(tensor([2, 5, 5, 1])).dataSync()]).toEqual([0, 0.5, 0.5, 0]);
    expect(one((x) => maximum(x, 3), 3)).toEqual([0.5]);
    expect(one((x) => minimum(x, 3), 3)).toEqual([0.5]);
  });
  it("the first maximum of a window takes all", () => {
    const pooled = (x: Tensor) => maxPool1d(x.reshape([1, 4, 1]), { window: 2, stride: 2 }).sum();
    expect([...grad(pooled)(tensor([3, 3, 1, 2])).dataSync()]).toEqual([1, 0, 0, 1]);
  });
  it("powers are smooth at zero: x^0, x^1, x^2, and their second derivatives", () => {
    expect(one((x) => bind("pow", [x, tensor(0)], {}), 0)).toEqual([0]);
    expect(one((x) => bind("pow", [x, tensor(1)], {}), 0)).toEqual([1]);
    expect(one((x) => bind("pow", [x, tensor(2)], {}), 0)).toEqual([0]);
    expect(one((x) => grad((y: Tensor) => bind("pow", [y, tensor(2)], {}))(x), 0)).toEqual([2]);
    expect(one((y) => bind("pow", [tensor(0), y], {}), 2)).toEqual([0]);
  });
});
