/** `vmap` of every primitive against a loop over the examples, alone and together with `grad`. */
import type { Primitive, Tensor, TensorData, TensorType } from "@weft/tensor";
import { grad, isFloat, stack, vmap } from "@weft/tensor";
import { describe, expect, it } from "vitest";
import { applySample, drawn, executableOf, weighted } from "./transformRun.ts";
import type { Sample } from "./transformSamples.ts";
import { allSamples, seeded } from "./transformSamples.ts";

const batchSize = 3;

/** Every way to batch some of `count` operands: a list of flags for each. */
const combinations = (count: number): boolean[][] =>
  Array.from({ length: 2 ** count - 1 }, (_, i) =>
    Array.from({ length: count }, (__, operand) => ((i + 1) & (1 << operand)) !== 0),
  );

/** Operands for all examples: the batched ones with a batch axis in front. */
function batchOf(sample: Sample<Primitive>, flags: readonly boolean[]) {
  const types = sample.inputs.map(({ shape, dtype }, i): TensorType => ({
    shape: flags[i] === true ? [batchSize, ...shape] : shape,
    dtype,
  }));
  const data = types.map((type, i): TensorData => {
    const operand = sample.inputs[i];
    if (!operand) throw new Error("one type for each operand");
    return drawn({ ...operand, ...type }, seeded(31 * i + 5));
  });
  return { types, data };
}

const axesOf = (flags: readonly boolean[]) => flags.map((batched) => (batched ? 0 : null));

/** What `vmap` must equal: the function on each example, the results stacked. */
function looped(fn: (...inputs: Tensor[]) => readonly Tensor[], flags: readonly boolean[]) {
  return (...inputs: Tensor[]): Tensor[] => {
    const examples = Array.from({ length: batchSize }, (_, example) =>
      fn(...inputs.map((input, i) => (flags[i] === true ? input.at(example) : input))),
    );
    const [first = []] = examples;
    return first.map((_, result) => stack(examples.map((results) => results[result] as Tensor)));
  };
}

function expectSame(got: readonly (readonly number[])[], want: readonly (readonly number[])[]): void {
  expect(got.map((values) => values.length)).toEqual(want.map((values) => values.length));
  got.forEach((values, result) => {
    const expected = want[result] ?? [];
    const scale = Math.max(1, ...expected.map(Math.abs));
    values.forEach((value, i) => {
      expect(Math.abs(value - (expected[i] ?? NaN)) / scale, `result ${result}, element ${i}`).toBeLessThan(1e-12);
    });
  });
}

const differentiable = ({ inputs, rough }: Sample<Primitive>) =>
  [...inputs.keys()].filter((i) => isFloat(inputs[i]?.dtype ?? "i32") && !rough?.includes(i));
const batchable = allSamples().filter(({ sample }) => sample.inputs.length > 0);

describe.each(batchable)("vmap of $name", ({ primitive, sample }) => {
  const apply = (...inputs: Tensor[]) => applySample(primitive, sample, inputs);

  it("equals a loop over the examples, whichever operands are batched", () => {
    for (const flags of combinations(sample.inputs.length)) {
      const { types, data } = batchOf(sample, flags);
      const got = executableOf(vmap(apply, { in: axesOf(flags) }), types)(data);
      expectSame(got, executableOf(looped(apply, flags), types)(data));
    }
  });

  it("of vmap equals two loops", () => {
    const flags = sample.inputs.map(() => true);
    const { types, data } = batchOf(sample, flags);
    const twice = types.map(({ shape, dtype }) => ({ shape: [2, ...shape], dtype }));
    const doubled = data.map((values) => {
      const both = new (values.constructor as Float64ArrayConstructor)(2 * values.length);
      both.set(values, 0);
      both.set(values.toReversed(), values.length);
      return both;
    });
    const want = executableOf((...inputs) => {
      const halves = [0, 1].map((half) => looped(apply, flags)(...inputs.map((input) => input.at(half))));
      return (halves[0] ?? []).map((_, i) => stack(halves.map((half) => half[i] as Tensor)));
    }, twice);
    expectSame(executableOf(vmap(vmap(apply)), twice)(doubled), want(doubled));
  });
});

const smooth = batchable.filter(({ sample }) => differentiable(sample).length > 0);

describe.each(smooth)("vmap and grad of $name", ({ primitive, sample }) => {
  const floats = differentiable(sample);
  const scalar = (...inputs: Tensor[]) => weighted(applySample(primitive, sample, inputs), seeded(3));
  const gradient = (...inputs: Tensor[]) => grad(scalar, { argument: floats })(...inputs);

  it("equal a loop over the gradients of the examples, in either order", () => {
    for (const flags of combinations(sample.inputs.length)) {
      const { types, data } = batchOf(sample, flags);
      const want = executableOf(looped(gradient, flags), types)(data);
      expectSame(executableOf(vmap(gradient, { in: axesOf(flags) }), types)(data), want);
      const total = (...inputs: Tensor[]) => vmap(scalar, { in: axesOf(flags) })(...inputs).sum();
      const batched = floats.filter((i) => flags[i] === true);
      const ofVmap = executableOf((...inputs) => grad(total, { argument: batched })(...inputs), types)(data);
      expectSame(
        ofVmap,
        batched.map((i) => want[floats.indexOf(i)] ?? []),
      );
    }
  });
});
